// A walk over every page with data in it: no violation, no sideways scroll, nothing broken, in every look.
import type { Page } from "@playwright/test";
import { audit, expect, test } from "../fixtures";
import { type PageRoute, addressOf, findIds, pageRoutes } from "../pages";

test.describe.configure({ mode: "parallel" });

const routes = pageRoutes();
const forOperators = routes.filter(({ access }) => !["PUBLIC", "USER"].includes(access));
const forUsers = routes.filter(({ access }) => access === "USER");
const forAll = routes.filter(({ access }) => access === "PUBLIC");

async function look(page: Page, address: string): Promise<void> {
  const answer = await page.goto(address);
  expect.soft(answer?.status(), address).toBe(200);
  await expect.soft(page.getByRole("heading", { level: 1 }), address).toHaveCount(1);
  await audit(page, "go on");
}

/** Halves of about the same size, so that both workers have one. */
const parts: Record<string, (route: PageRoute) => boolean> = {
  "of applications": ({ route }) => route.startsWith("/applications"),
  "of everything else": ({ route }) => !route.startsWith("/applications"),
};

test.describe("after a sync", () => {
  test.use({ stage: "synced" });

  for (const [name, belongs] of Object.entries(parts)) {
    test(`every page ${name} is for everybody`, async ({ page, operator }) => {
      test.setTimeout(400_000);
      const ids = await findIds(operator);
      for (const { route } of forOperators.filter(belongs)) await look(page, addressOf(route, ids));
    });
  }

  test("every page of users and of nobody in particular is for everybody", async ({ operator, another, page }) => {
    test.setTimeout(200_000);
    const invitation = await operator.invite("Ada Kaya");
    await page.goto("/settings/operators/new");
    await operator.field("Name").fill("Ruth Ellis");
    await operator.field("Email").fill("ruth@contoso.example");
    await operator.press("Add operator");
    const link = await operator.shownOnce();

    const visitor = await another("signed out");
    const addresses: Record<string, string> = {
      "/sign-in": "/sign-in",
      "/login": "/login",
      "/login/forgotten": "/login/forgotten",
      "/signed-out": "/signed-out",
      "/welcome/{token}": invitation,
      "/join/{token}": link,
    };
    // Only until there is an owner: the stories of the setup look at it.
    for (const { route } of forAll.filter(({ route }) => route !== "/setup")) {
      expect(addresses, "every-page.spec.ts does not know how this page is reached").toHaveProperty([route]);
      await look(visitor.page, addresses[route]);
    }

    const { page: own } = visitor;
    await own.goto(invitation);
    await visitor.field("New password").fill("a lantern over the harbour");
    await visitor.field("Repeat the new password").fill("a lantern over the harbour");
    await visitor.press("Save password");
    await visitor.field("User name").fill("ada.kaya@contoso.example");
    await visitor.field("Password").fill("a lantern over the harbour");
    await visitor.press("Sign in");
    await expect(own).toHaveURL("/me");
    for (const { route } of forUsers) await look(own, route);
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
