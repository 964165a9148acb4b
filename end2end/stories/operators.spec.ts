// Who may do what, and how they prove who they are.
import { audit, expect, owner, password, test } from "../fixtures";
import { totp } from "../totp";

test.describe("roles", () => {
  test.use({ stage: "application" });

  test("an auditor reads everything and changes nothing", async ({ operator, another }) => {
    const auditor = { name: "Ruth Ellis", email: "ruth@contoso.example", password: "a lantern over the harbour" };
    await operator.page.goto("/");
    await operator.menu("Settings");
    await operator.page.getByRole("link", { name: "Add operator" }).click();
    await operator.field("Name").fill(auditor.name);
    await operator.field("Email").fill(auditor.email);
    await operator.page.getByRole("radio", { name: "Auditor" }).check();
    await operator.field("Initial password").fill(auditor.password);
    await operator.press("Add operator");
    await expect(operator.page.getByRole("main")).toContainText(auditor.name);

    const ruth = await another("signed out");
    const { page } = ruth;
    await ruth.signIn(auditor.email, auditor.password);
    await expect(page).toHaveURL("/");
    for (const name of ["Applications", "Runs", "Users", "Groups", "Import", "Audit log", "Settings"]) {
      await ruth.menu(name);
      await expect(page.getByRole("heading", { level: 1 })).toBeVisible();
      await expect(page.getByRole("link", { name: /^(Add|New|Assign|Import) / })).toHaveCount(0);
      await expect(page.getByRole("button", { name: /^(Add|Delete|Check|Use|Import|Unassign|Apply) / })).toHaveCount(0);
    }
    await ruth.openApplication();
    await expect(page.getByRole("button", { name: /^(Unassign|Assign)/ })).toHaveCount(0);
    await ruth.tab("Provisioning");
    await expect(page.getByRole("button", { name: "Update Settings" })).toBeDisabled();
    await audit(page);

    ruth.watch.expect(/^403: GET .*\/(applications|users)\/new$/);
    for (const address of ["/applications/new", "/users/new"]) {
      await page.goto(address);
      await expect(page.getByRole("main")).toContainText("Auditor");
      await audit(page);
    }
  });
});

test.describe("a second factor", () => {
  test.use({ stage: "owner" });

  test("is set up once and asked for at every sign-in", async ({ operator, page, another }) => {
    await page.goto("/account/second-factor");
    await audit(page);
    await operator.press("Start");
    const key = await operator.field("Key").inputValue();
    await audit(page);
    await operator.field("Verification code").fill("000000");
    await operator.field("Current password").fill(password);
    await operator.press("Turn on second factor");
    await expect(operator.field("Verification code")).toHaveAccessibleDescription(/not the code/);
    const used = totp(key);
    await operator.field("Verification code").fill(used);
    await operator.field("Current password").fill(password);
    await operator.press("Turn on second factor");
    await expect(operator.status("The second factor is on")).toBeVisible();
    const codes = await page.getByRole("region", { name: "Recovery codes" }).textContent();
    await audit(page);

    const phone = await another("signed out");
    await phone.signIn();
    await expect(phone.field("Verification code")).toBeVisible();
    await audit(phone.page);
    await phone.page.goto("/runs");
    await expect(phone.page).toHaveURL(/\/sign-in/);
    await phone.field("Verification code").fill(used);
    await phone.press("Sign in");
    await expect(phone.page.getByRole("alert"), "a code works once").toBeVisible();
    await phone.field("Verification code").fill(totp(key, 1));
    await phone.press("Sign in");
    await expect(phone.button("Sign out")).toBeVisible();

    const lost = await another("signed out");
    await lost.signIn();
    await lost.page.getByText("Use a recovery code").click();
    await lost.field("Recovery code").fill(codes?.trim().split(/\s+/)[0] ?? "");
    await lost.press("Sign in with a recovery code");
    await expect(lost.button("Sign out")).toBeVisible();
  });
});

test.describe("a session that ended", () => {
  test.use({ stage: "application" });

  test("keeps what was typed until its owner has signed in again", async ({ operator, page, context }) => {
    await operator.openApplication();
    await operator.tab("Settings");
    await operator.field("Application name").fill("Microsoft 365 of Contoso");
    // Another tab signs out.
    const tab = await context.newPage();
    await tab.goto("/");
    await tab.getByRole("button", { name: "Sign out" }).click();
    await expect(tab).toHaveURL("/sign-in");

    await operator.press("Rename");
    await expect(page).toHaveURL(/\/sign-in/);
    await operator.field("Email").fill(owner.email);
    await operator.field("Password").fill(password);
    await operator.press("Sign in");
    await expect(operator.field("Application name")).toHaveValue("Microsoft 365 of Contoso");
    await expect(page.getByRole("main")).toContainText("Your entries are still here");
    await operator.press("Rename");
    await expect(page.getByRole("heading", { level: 1 })).toContainText("Microsoft 365 of Contoso");
  });
});
