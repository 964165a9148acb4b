// Naming an application, choosing who gets it, shaping accounts, handing over the sign-in.
import { audit, expect, test } from "../fixtures";

test.describe("a new application", () => {
  test("chooses people by a rule that shows whom it matches", async ({ operator, page }) => {
    await page.goto("/applications/new");
    await operator.field("Application name").fill("");
    await operator.press("Next");
    await expect(operator.field("Application name")).toHaveAccessibleDescription(/Enter a name/);
    await operator.field("Application name").fill("Finance only");
    await operator.press("Next");
    await page.getByRole("radio", { name: "Users that match a rule" }).check();
    await page.getByRole("combobox", { name: "Attribute of condition 1" }).selectOption("Department");
    await page.getByRole("combobox", { name: "Comparison of condition 1" }).selectOption({ label: "is" });
    await page.getByRole("textbox", { name: "Value of condition 1" }).fill("Finance");
    await operator.press("Show whom it matches");
    await expect(page.getByRole("main")).toContainText(/\d+ (of 200 )?users?/);
    await audit(page);
    await operator.press("Finish");
    await expect(page.getByRole("heading", { name: "Application User Assignments" })).toBeVisible();
    await expect(page.getByRole("main")).toContainText("Ada Kaya");
    await audit(page);
  });

  test("needs a name that is free", async ({ operator, page }) => {
    await page.goto("/");
    await operator.addApplication("Microsoft 365", "All users");
    await page.goto("/applications/new");
    await operator.field("Application name").fill("microsoft 365");
    await operator.press("Next");
    await expect(operator.field("Application name")).toHaveAccessibleDescription(/already called/);
  });
});

test.describe("connected", () => {
  test.use({ stage: "connected" });

  test("a mapping shows its result before it is saved", async ({ operator, page }) => {
    await operator.openProvisioning();
    await page.getByRole("link", { name: "Attribute mapping" }).click();
    await operator.field("Show results for").fill("ada.kaya@contoso.example");
    await operator.field("Display name").fill("{{ user.surname }}, {{ user.given_name }}");
    await operator.press("Show results");
    await expect(page.getByRole("row", { name: /Display name/ })).toContainText("Kaya, Ada");
    await expect(page.getByRole("main")).toContainText("Not saved yet");
    await audit(page);

    await operator.field("Display name").fill("{{ user.surname");
    await operator.press("Save mapping");
    await expect(operator.field("Display name")).toHaveAttribute("aria-invalid", "true");
    await expect(operator.field("Display name")).toHaveValue("{{ user.surname");
    await operator.field("Display name").fill("{{ user.surname }}, {{ user.given_name }}");
    await operator.press("Save mapping");
    await expect(operator.status("The mapping is saved")).toBeVisible();
    await page.reload();
    await expect(operator.field("Display name")).toHaveValue("{{ user.surname }}, {{ user.given_name }}");
  });

  test("the PowerShell scripts are shown and downloaded, and hold no secret", async ({ operator, page, practice }) => {
    const { secret } = await practice.credentials();
    await operator.openProvisioning();
    await page.getByRole("link", { name: "Show PowerShell Script" }).click();
    for (const name of ["Federate", "Revert"]) {
      const region = page.getByRole("region", { name, exact: true });
      await expect(region).toContainText("contoso.example");
      const download = page.waitForEvent("download");
      await region.getByRole("link", { name: "Download" }).click();
      expect((await download).suggestedFilename()).toMatch(/\.ps1$/);
    }
    expect(await page.content()).not.toContain(secret);
    await audit(page);
  });

  test("a script is copied @javascript", async ({ operator, page, context }) => {
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    await operator.openProvisioning();
    await page.getByRole("link", { name: "Show PowerShell Script" }).click();
    const region = page.getByRole("region", { name: "Federate", exact: true });
    await region.getByRole("button", { name: "Copy" }).click();
    await expect(region.getByRole("button", { name: "Copied" })).toBeVisible();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toContain("contoso.example");
  });

  test("the actions that were chosen stay chosen", async ({ operator, page }) => {
    await operator.openProvisioning();
    const deletion = operator.actions().getByRole("switch", { name: "Delete the account after removal" });
    await deletion.check();
    await operator.field("Days before deletion").fill("0.5");
    await operator.press("Update Settings");
    await expect(operator.field("Days before deletion")).toHaveAttribute("aria-invalid", "true");
    await expect(deletion).toBeChecked();
    await operator.field("Days before deletion").fill("45");
    await operator.press("Update Settings");
    await expect(operator.status("Settings saved")).toBeVisible();
    await page.reload();
    await expect(deletion).toBeChecked();
    await expect(operator.field("Days before deletion")).toHaveValue("45");
  });
});
