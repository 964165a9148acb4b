import { audit, expect, owner, password, setupCode, test } from "../fixtures";

test.use({ stage: "fresh" });

test("the first person becomes the owner", async ({ operator, page }) => {
  await operator.setUp();
  await expect(page.getByRole("status").filter({ hasText: "You are the owner of this portal" })).toBeVisible();
  await audit(page);
});

test("every page leads to setup until there is an owner", async ({ page, operator }) => {
  for (const address of ["/", "/users", "/applications/new", "/settings", "/sign-in"]) {
    await page.goto(address);
    await expect(page).toHaveURL("/setup");
  }
  await audit(page);
  await operator.setUp();
  await page.goto("/setup");
  await expect(page).not.toHaveURL("/setup");
});

test("a wrong setup code keeps what was typed, but no secret", async ({ operator, page }) => {
  await page.goto("/setup");
  await operator.field("Setup code").fill("guess");
  await operator.field("Your name").fill(owner.name);
  await operator.field("Email").fill(owner.email);
  await operator.field("Password").fill(password);
  await operator.press("Create owner");
  await expect(page.getByRole("alert")).toContainText("This is not the setup code.");
  await expect(operator.field("Setup code")).toHaveAccessibleDescription(/This is not the setup code/);
  await expect(operator.field("Your name")).toHaveValue(owner.name);
  await expect(operator.field("Email")).toHaveValue(owner.email);
  await expect(operator.field("Password")).toHaveValue("");
  await audit(page);
  await operator.field("Setup code").fill(setupCode);
  await operator.field("Password").fill(password);
  await operator.press("Create owner");
  await expect(page).toHaveURL("/");
});

test("each field says what it needs", async ({ operator, page }) => {
  await page.goto("/setup");
  await operator.field("Setup code").fill(setupCode);
  await operator.field("Your name").fill("  ");
  await operator.field("Email").fill("nobody@nowhere");
  await operator.field("Password").fill("short");
  await operator.press("Create owner");
  await expect(operator.field("Your name")).toHaveAccessibleDescription(/Enter a name/);
  await expect(operator.field("Password")).toHaveAccessibleDescription(/characters/);
  await expect(operator.field("Password")).toHaveAttribute("aria-invalid", "true");
});
