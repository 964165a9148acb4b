// A walk over every page with data in it: no violation, no sideways scroll, nothing broken, in every look.
import { audit, expect, test } from "../fixtures";

test.describe("after a sync", () => {
  test.use({ stage: "synced" });

  test("every page is for everybody", async ({ page, operator }) => {
    test.setTimeout(400_000);
    await operator.openApplication();
    const application = new URL(page.url()).pathname.split("/").slice(0, 3).join("/");
    await operator.openUser("Ada Kaya");
    const user = new URL(page.url()).pathname;
    await operator.menu("Groups");
    await page.getByRole("main").getByRole("link", { name: "Everyone" }).click();
    const group = new URL(page.url()).pathname;
    await operator.menu("Runs");
    await page.getByRole("main").getByRole("table").getByRole("rowheader").getByRole("link").first().click();
    const run = new URL(page.url()).pathname;
    await operator.menu("Settings");
    await page.getByRole("main").getByRole("link", { name: "Ada Nilsson" }).click();
    const self = new URL(page.url()).pathname;

    const parts = ["assignments", "assignments/new", "provisioning", "mapping", "powershell", "runs", "settings"];
    const addresses = [
      "/",
      "/applications",
      "/applications/new",
      ...parts.map((part) => `${application}/${part}`),
      "/runs",
      run,
      "/users",
      "/users?state=deleted",
      "/users/new",
      user,
      "/groups",
      "/groups/new",
      group,
      "/import",
      "/audit-log",
      "/settings",
      "/settings/security",
      "/settings/organisation",
      "/settings/about",
      "/settings/operators/new",
      self,
      "/account",
      "/account/password",
      "/account/second-factor",
    ];
    for (const address of addresses) {
      const answer = await page.goto(address);
      expect.soft(answer?.status(), address).toBe(200);
      await expect.soft(page.getByRole("heading", { level: 1 }), address).toHaveCount(1);
      await audit(page, "go on");
    }
  });
});

test.describe("with nothing in it", () => {
  test.use({ stage: "owner" });

  test("every list says why it is empty and what to do", async ({ page, operator }) => {
    test.setTimeout(200_000);
    for (const name of ["Overview", "Applications", "Runs", "Users", "Groups", "Import", "Audit log"]) {
      await operator.menu(name);
      await expect.soft(page.getByRole("heading", { level: 1 })).toHaveCount(1);
      await audit(page, "go on");
    }
  });

  test("what does not exist says so", async ({ page, watch }) => {
    watch.expect(/^404: GET/);
    const nothing = "01890000-0000-7000-8000-000000000000";
    for (const address of ["/nowhere", `/users/${nothing}`, "/runs/not-an-id", `/applications/${nothing}/provisioning`]) {
      const answer = await page.goto(address);
      expect(answer?.status(), address).toBe(404);
      await expect(page.getByRole("main")).toContainText("does not exist");
      await audit(page);
    }
  });
});
