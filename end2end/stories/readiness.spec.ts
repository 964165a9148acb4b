// From an unknown tenant to every check passed, by what the pages say; and back to what it was.
import { ada, audit, bySecondFactor, expect, type Page, test } from "../fixtures";
import type { Operator } from "../operator";
import { choosePassword, invite } from "../people";
import type { Practice } from "../practice";
import { totp } from "../totp";

test.use({ stage: "application" });

const bob = "bob.keller@contoso.example";
const carol = "c.whitfield@contoso.example";

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

/** What an administrator does in the practice tenant's admin center, where this link leads. */
async function inAdminCenter(page: Page, link: string, act: () => Promise<void>): Promise<void> {
  const back = page.url();
  await page.getByRole("link", { name: link }).filter({ visible: true }).click();
  await expect(page.getByRole("heading", { level: 1, name: "Admin center" })).toBeVisible();
  await act();
  await page.goto(back);
}

async function openFederation(operator: Operator): Promise<void> {
  await operator.openApplication();
  await operator.tab("Sign-on");
  await card(operator.page, "Federation").getByRole("link", { name: "Federation", exact: true }).click();
  await expect(operator.page).toHaveURL(/\/federation$/);
}

/** Everything that Signpost may change for the sake of a federation, as Microsoft holds it. */
async function settingsOf(practice: Practice) {
  const accounts = await practice.accounts();
  const domains = await practice.read("domains");
  const federations = domains.map(({ id }: { id: string }) => practice.read(`domains/${id}/federationConfiguration`));
  return {
    securityDefaults: (await practice.read("policies/identitySecurityDefaultsEnforcementPolicy")).isEnabled as boolean,
    conditionalAccess: await practice.read("identity/conditionalAccess/policies"),
    asked: accounts
      .filter((account) => account.perUserMfaState !== "disabled")
      .map((account) => [account.id, account.perUserMfaState]),
    domains,
    federations: await Promise.all(federations),
  };
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

test("a newcomer gets to all checks passed, and Revert puts everything back as it was", async ({ operator, page, practice, person }) => {
  test.setTimeout(600_000);
  // An administrator before us left per-user MFA on for two people.
  await page.goto(`${practice.url}/_practice/admin`);
  for (const name of [bob, carol]) {
    await operator.field("User principal name").fill(name);
    await operator.press("Set per-user MFA");
  }
  await expect(page.getByText("2 accounts are enabled or enforced.")).toBeVisible();
  await audit(page);
  await page.goto("/");
  const before = await settingsOf(practice);
  expect(before.securityDefaults).toBe(true);

  await test.step("register and connect", async () => {
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
  });

  await test.step("let Signpost do more, and grant what that needs", async () => {
    await page.getByRole("link", { name: "Open registration" }).click();
    for (const feature of ["Switch security defaults", "Switch per-user MFA", "Federate the domain without a script"]) {
      await page.getByRole("checkbox", { name: feature }).check();
    }
    await operator.press("Save features");
    await expect(page.getByRole("row", { name: /Policy.ReadWrite.SecurityDefaults/ })).toContainText("Missing");
    await audit(page);
    await checkAll(operator);
    await expect(check(page, "Permissions")).toContainText("Grant Policy.ReadWrite.SecurityDefaults");
    await check(page, "Permissions").getByText("Permissions: where to click").click();
    await inAdminCenter(page, "its own admin center", async () => {
      for (const permission of [
        "Policy.ReadWrite.SecurityDefaults",
        "Policy.ReadWrite.AuthenticationMethod",
        "Domain-InternalFederation.ReadWrite.All",
        "Domain.ReadWrite.All",
      ]) {
        await page.getByRole("checkbox", { name: permission, exact: true }).check();
      }
      await operator.press("Grant admin consent");
    });
    await checkAll(operator);
    await expect(check(page, "Permissions")).toContainText("Passed");
  });

  await test.step("give the people their accounts, and ask them for a second factor here", async () => {
    await operator.syncUsers();
    await operator.openApplication();
    await operator.tab("Sign-on");
    await page.getByRole("radio", { name: "Required" }).check();
    await operator.press("Save sign-on settings");
    await expect(operator.status("The sign-on settings are saved")).toBeVisible();
  });

  await test.step("nobody is asked twice", async () => {
    await operator.tab("Readiness");
    await operator.press("Read accounts");
    await accountsAreRead(operator, page);
    await expect(check(page, "Nobody is asked twice")).toContainText("2 people would be asked twice");
    await page.getByRole("link", { name: "Show these people" }).click();
    await expect(page.getByRole("row", { name: /Bob Keller/i })).toContainText("Enforced");
    await audit(page);
    await page.goBack();
    await operator.press("Plan to turn per-user MFA off");
    await applyPlan(operator);
    await expect(page.getByRole("main")).toContainText(/bob\.keller@contoso\.example/i);
    await openReadiness(operator);
    await accountsAreRead(operator, page);
    await expect(check(page, "Nobody is asked twice")).toContainText("Passed");
  });

  await test.step("security defaults are off", async () => {
    await operator.press("Plan to turn security defaults off");
    await applyPlan(operator);
    await openReadiness(operator);
    await expect(check(page, "Security defaults are off")).toContainText("Passed");
    await expect(check(page, "Something asks for a second factor")).toContainText("Federate the domain soon");
  });

  await test.step("tick what Microsoft shows to nobody but a person", async () => {
    await operator.press("I have seen it: Require users to register when signing in: No");
    await expect(check(page, "Registration at sign-in is off")).toContainText("Ada Nilsson");
  });

  await test.step("federate, sign in with a second factor, confirm", async () => {
    await check(page, "Something asks for a second factor").getByRole("link", { name: "Open Federation" }).click();
    await operator.press("Check now");
    await page.getByRole("link", { name: "Open doctor" }).click();
    for (const box of await page.getByRole("row").getByRole("checkbox").all()) await box.check();
    await operator.press("Waive selected");
    await expect(operator.status(/accounts? waived/)).toBeVisible();
    await choosePassword(person, await invite(operator));
    await openFederation(operator);
    await operator.field("Test person").fill(ada.userName);
    await operator.press("Plan federation");
    await applyPlan(operator);
    await openFederation(operator);
    await person.startAtMicrosoft();
    await person.givePassword();
    await person.press("Go on");
    await person.field("Verification code").fill(totp(await person.field("Or type this key into the app").inputValue()));
    await person.send("Turn on and sign in");
    await person.leave(() => person.page.getByRole("link", { name: "Continue" }).click());
    await person.arrives(bySecondFactor);
    await page.getByRole("link", { name: "Refresh" }).click();
    await operator.press("Confirm federation");
    await expect(operator.status("stays federated")).toBeVisible();
  });

  await test.step("all checks passed", async () => {
    await checkAll(operator);
    await expect(operator.status("18 of 18 checks passed")).toBeVisible();
    await expect(card(page, "Readiness")).toContainText("All 18 checks passed.");
    await audit(page);
    await operator.menu("Overview");
    await expect(card(page, "Readiness of Microsoft 365")).toContainText("All 18 checks passed.");
    await audit(page);
    const ready = await settingsOf(practice);
    expect(ready.securityDefaults).toBe(false);
    expect(ready.asked).toHaveLength(before.asked.length - 2);
    expect(ready.domains).not.toEqual(before.domains);
  });

  await test.step("Revert puts back what Signpost changed", async () => {
    await openReadiness(operator);
    await expect(card(page, "Changed by Signpost").getByRole("row")).toHaveCount(4);
    await openFederation(operator);
    await operator.press("Revert");
    await operator.runReaches("Succeeded");
    expect(await settingsOf(practice)).toEqual(before);
    await openReadiness(operator);
    await expect(card(page, "Changed by Signpost")).toBeHidden();
    await accountsAreRead(operator, page);
    await expect(check(page, "Nobody is asked twice")).toContainText("2 people would be asked twice");
    await expect(check(page, "Security defaults are off")).toContainText("They are on");
  });
});

test("Signpost uploads its next certificate itself, and the secret goes last", async ({ operator, page, practice }) => {
  await operator.connect();
  await openReadiness(operator);
  await operator.press("Check readiness");
  await page.getByRole("link", { name: "Open registration" }).click();
  await operator.press("Make a certificate");
  await expect(card(page, "Secret and certificate")).toContainText("Until then go by hand");
  await page.getByRole("checkbox", { name: "Renew its own secret" }).check();
  await operator.press("Save features");
  await practice.permit("Application.ReadWrite.OwnedBy");
  await checkAll(operator);
  await page.getByRole("link", { name: "Open registration" }).click();
  await operator.press("Plan to upload and use the certificate");
  await operator.runReaches("Needs your answer");
  const changes = page.getByRole("region", { name: "Changes to the tenant" });
  await expect(changes).toContainText("Upload and use");
  await expect(changes).toContainText("Client secret");
  await audit(page);
  await operator.press("Apply");
  await operator.runReaches("Succeeded");
  await openReadiness(operator);
  await expect(check(page, "Sign-in to the tenant")).toContainText("Passed");
  await expect(check(page, "Secret or certificate")).toContainText("The certificate lasts for");
});

test("an operator answers for a check, with a reason, and takes it back", async ({ operator, page }) => {
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

test("a certificate takes the secret's place once Microsoft accepts it", async ({ operator, page }) => {
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
  await inAdminCenter(page, "its own admin center", async () => {
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
