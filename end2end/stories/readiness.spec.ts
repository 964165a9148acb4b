// From an unknown tenant to every check passed, by what the pages say; and back to what it was.
import { audit, expect, type Page, test } from "../fixtures";
import type { Operator } from "../operator";

test.use({ stage: "application" });

const bob = "bob.keller@contoso.example";

/** A card of the page, by its title. */
const card = (page: Page, name: string) => page.getByRole("region", { name, exact: true });

/** One check, by its title. */
const check = (page: Page, title: string) =>
  page.getByRole("listitem").filter({ has: page.getByRole("heading", { level: 3, name: title }) }).last();

async function openReadiness(operator: Operator): Promise<void> {
  await operator.openApplication();
  await operator.tab("Readiness");
}

async function checkAll(operator: Operator): Promise<void> {
  await openReadiness(operator);
  await operator.press("Check all again");
  await expect(operator.status("checks passed")).toBeVisible();
}

/** What an administrator does in the practice tenant's admin center. */
async function inAdminCenter(page: Page, url: string, act: () => Promise<void>): Promise<void> {
  const back = page.url();
  await page.goto(`${url}/_practice/admin`);
  await act();
  await page.goto(back);
}

async function applyPlan(operator: Operator): Promise<void> {
  await operator.runReaches("Needs your answer");
  await operator.press("Apply");
  await operator.runReaches("Succeeded");
}

async function accountsAreRead(operator: Operator, page: Page): Promise<void> {
  await expect(page.getByText(/^Accounts read/)).toBeVisible({ timeout: 60_000 });
  await expect(operator.button("Read accounts again")).toBeVisible();
}

test("a newcomer gets to all checks passed, and everything back as it was", { tag: "@open" }, async ({ operator, page, practice }) => {
  test.setTimeout(300_000);
  await openReadiness(operator);
  await expect(page.getByRole("main")).toContainText("No tenant yet");
  await page.getByRole("link", { name: "Register the application" }).click();
  await expect(card(page, "Register the application")).toContainText("User.ReadWrite.All");
  await audit(page);
  await operator.connect();

  await openReadiness(operator);
  await operator.press("Check readiness");
  await expect(operator.status("checks passed")).toBeVisible();
  await expect(check(page, "Domain is verified")).toContainText("Passed");
  await expect(check(page, "Two emergency administrators")).toContainText("Passed");
  await expect(check(page, "Security defaults are off")).toContainText("Attention");
  await expect(check(page, "Registration at sign-in is off")).toContainText("Unknown");
  await audit(page);

  await page.getByRole("link", { name: "Open registration" }).click();
  await page.getByRole("checkbox", { name: "Switch security defaults" }).check();
  await page.getByRole("checkbox", { name: "Switch per-user MFA" }).check();
  await operator.press("Save features");
  await expect(page.getByRole("row", { name: /Policy.ReadWrite.SecurityDefaults/ })).toContainText("Missing");
  await audit(page);
  await inAdminCenter(page, practice.url, async () => {
    await page.getByRole("checkbox", { name: "Policy.ReadWrite.SecurityDefaults" }).check();
    await page.getByRole("checkbox", { name: "Policy.ReadWrite.AuthenticationMethod" }).check();
    await operator.press("Grant admin consent");
    await operator.field("User principal name").fill(bob);
    await operator.press("Set per-user MFA");
    await expect(page.getByText("1 accounts are enabled or enforced.")).toBeVisible();
    await audit(page);
  });
  await checkAll(operator);
  await expect(check(page, "Permissions")).toContainText("Passed");

  await operator.tab("Sign-on");
  await page.getByRole("radio", { name: "Required" }).check();
  await operator.press("Save sign-on settings");

  await operator.tab("Readiness");
  await operator.press("Read accounts");
  await accountsAreRead(operator, page);
  await expect(check(page, "Nobody is asked twice")).toContainText("1 person would be asked twice");
  await operator.press("Plan to turn per-user MFA off");
  await applyPlan(operator);
  await expect(page.getByRole("main")).toContainText(/bob\.keller@contoso\.example/i);

  await openReadiness(operator);
  await operator.press("Plan to turn security defaults off");
  await applyPlan(operator);
  await inAdminCenter(page, practice.url, () =>
    operator.press("Turn on: Require multifactor authentication for all users"),
  );

  await openReadiness(operator);
  await operator.press("I have seen it: Require users to register when signing in: No");
  await expect(check(page, "Registration at sign-in is off")).toContainText("Ada Nilsson");
  await accountsAreRead(operator, page);
  await operator.press("Check all again");
  await expect(operator.status("18 of 18 checks passed")).toBeVisible();
  await expect(card(page, "Readiness")).toContainText("All 18 checks passed.");
  await audit(page);
  await operator.menu("Overview");
  await expect(card(page, "Readiness of Microsoft 365")).toContainText("All 18 checks passed.");
  await audit(page);

  await inAdminCenter(page, practice.url, () =>
    operator.press("Turn off: Require multifactor authentication for all users"),
  );
  await openReadiness(operator);
  await operator.press("Plan to put old values back");
  await applyPlan(operator);
  await openReadiness(operator);
  await expect(card(page, "Changed by Signpost")).toBeHidden();
  await accountsAreRead(operator, page);
  await expect(check(page, "Nobody is asked twice")).toContainText("1 person would be asked twice");
  await expect(check(page, "Security defaults are off")).toContainText("They are on");
});

test("an operator answers for a check, with a reason, and takes it back", { tag: "@open" }, async ({ operator, page }) => {
  await operator.connect();
  await openReadiness(operator);
  await operator.press("Check readiness");
  const defaults = check(page, "Security defaults are off");
  await defaults.getByText("Waive this check").click();
  await defaults.getByLabel("Why Security defaults are off may stay as it is").fill("The pilot ends in May");
  await operator.press("Waive: Security defaults are off");
  await expect(defaults).toContainText("Waived by Ada Nilsson");
  await expect(defaults).toContainText("The pilot ends in May");
  await audit(page);
  await defaults.getByRole("link", { name: "History of Security defaults are off" }).click();
  await expect(page.getByRole("table", { name: "History" })).toContainText("They are on");
  await audit(page);
  await page.goBack();
  await operator.press("Withdraw waiver: Security defaults are off");
  await expect(check(page, "Security defaults are off")).toContainText("Attention");
});

test("a certificate takes the secret's place once Microsoft accepts it", { tag: "@open" }, async ({ operator, page, practice }) => {
  await operator.connect();
  await openReadiness(operator);
  await operator.press("Check readiness");
  await page.getByRole("link", { name: "Open registration" }).click();
  await operator.press("Make a certificate");
  await operator.press("Try and use certificate");
  await expect(operator.alert("Microsoft does not accept the certificate")).toBeVisible();
  const download = page.waitForEvent("download");
  await page.getByRole("link", { name: "Download certificate" }).click();
  const stream = await (await download).createReadStream();
  let certificate = "";
  for await (const chunk of stream) certificate += chunk;
  expect(certificate).toContain("BEGIN CERTIFICATE");
  expect(certificate).not.toContain("PRIVATE KEY");
  await inAdminCenter(page, practice.url, async () => {
    await operator.field("Certificate, as the text of the file").fill(certificate);
    await operator.press("Upload certificate");
    await expect(page.getByText("1 uploaded.")).toBeVisible();
  });
  await operator.press("Try and use certificate");
  await expect(operator.status("signs in with the certificate now")).toBeVisible();
  await audit(page);
  await checkAll(operator);
  await expect(check(page, "Sign-in to the tenant")).toContainText("Passed");
});
