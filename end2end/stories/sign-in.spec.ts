import { audit, expect, owner, password, test } from "../fixtures";

test.use({ stage: "owner" });

test("sign in leads back to the page that was asked for", async ({ another }) => {
  const operator = await another("signed out");
  await operator.page.goto("/runs?state=failed");
  await expect(operator.page).toHaveURL(/\/sign-in/);
  await audit(operator.page);
  await operator.field("Email").fill(owner.email);
  await operator.field("Password").fill(password);
  await operator.press("Sign in");
  await expect(operator.page).toHaveURL("/runs?state=failed");
});

test("a refused sign-in names neither the person nor the reason", async ({ another }) => {
  const operator = await another("signed out");
  await operator.signIn(owner.email, "not the password");
  const unknownPassword = await operator.page.getByRole("alert").textContent();
  await expect(operator.field("Email")).toHaveValue(owner.email);
  await expect(operator.field("Password")).toHaveValue("");
  await operator.signIn("nobody@contoso.example", "not the password");
  await expect(operator.page.getByRole("alert")).toHaveText(unknownPassword ?? "");
  await audit(operator.page);
});

test("many wrong passwords make everybody wait", async ({ another }) => {
  const operator = await another("signed out");
  const tooMany = operator.page.getByRole("alert").filter({ hasText: "Too many tries" });
  await expect(async () => {
    await operator.signIn(owner.email, "not the password");
    await expect(tooMany).toBeVisible({ timeout: 100 });
  }).toPass({ intervals: [0], timeout: 60_000 });
});

test("sign out ends the session", async ({ operator, page }) => {
  await page.goto("/");
  await operator.press("Sign out");
  await expect(page).toHaveURL("/sign-in");
  await page.goto("/runs");
  await expect(page).toHaveURL(/\/sign-in/);
});
