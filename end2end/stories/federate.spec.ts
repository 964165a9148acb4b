// A domain is handed over to Signpost, tried by one person, confirmed, and taken back.
import type { Operator } from "../operator";
import { ada, audit, expect, test } from "../fixtures";
import { choosePassword, invite } from "../people";

const domain = "contoso.example";

test.use({ stage: "synced" });

/** Microsoft lets Signpost change the domain, and Signpost has seen that. */
async function permit(operator: Operator): Promise<void> {
  const { practice } = operator.portal;
  await practice.permit("Domain-InternalFederation.ReadWrite.All", "RoleManagement.Read.Directory");
  await operator.openProvisioning();
  await operator.press("Update Settings");
  await expect(operator.status("Settings saved. Connected to")).toBeVisible();
}

async function openFederation(operator: Operator): Promise<void> {
  await operator.openApplication("Microsoft 365");
  await operator.tab("Sign-on");
  await operator.page
    .getByRole("region", { name: "Federation", exact: true })
    .getByRole("link", { name: "Federation", exact: true })
    .click();
  await expect(operator.page).toHaveURL(/\/federation$/);
}

/** Ticks every account that is not ready, and waives it. */
async function waiveTheRest(operator: Operator): Promise<void> {
  const { page } = operator;
  await page.getByRole("link", { name: "Open doctor" }).click();
  await expect(page.getByRole("heading", { name: "Accounts", exact: true })).toBeVisible();
  await audit(page);
  for (const box of await page.getByRole("row").getByRole("checkbox").all()) await box.check();
  await operator.press("Waive selected");
  await expect(operator.status(/accounts? waived/)).toBeVisible();
  await expect(page.getByText(`Every account of ${domain} is ready or waived.`)).toBeVisible();
}

/** Plans the federation with this time to confirm, and applies it. */
async function federate(operator: Operator, minutes: string): Promise<void> {
  await operator.field("Test person").fill(ada.userName);
  await operator.field("Minutes to confirm").fill(minutes);
  await operator.press("Plan federation");
  await operator.runReaches("Needs your answer");
  const changes = operator.page.getByRole("region", { name: "Changes to the tenant" });
  await expect(changes).toContainText("Sign-in address");
  await audit(operator.page);
  await operator.press("Apply");
  await operator.runReaches("Succeeded");
  await openFederation(operator);
}

test("federate, sign in as one person, confirm, and revert", async ({ operator, page, person }) => {
  test.setTimeout(300_000);
  await permit(operator);
  await openFederation(operator);
  await operator.press("Check now");
  await expect(page.getByRole("list", { name: "Checks before federating" })).toContainText(
    "accounts could not sign in afterwards",
  );
  await expect(operator.button("Plan federation")).toBeDisabled();
  await audit(page);
  await waiveTheRest(operator);
  await choosePassword(person, await invite(operator));
  await openFederation(operator);
  await federate(operator, "30");

  await expect(page.getByText(/^(30|29) minutes left\.$/)).toBeVisible();
  await audit(page);
  await operator.press("Confirm federation");
  await expect(page.getByText(`Sign in as ${ada.userName} first, or tick this.`).first()).toBeVisible();

  await person.startAtMicrosoft();
  await person.givePassword();
  await person.arrives();
  await page.getByRole("link", { name: "Refresh" }).click();
  await expect(page.getByRole("list", { name: "Test sign-in" })).toContainText("got a token from Signpost");
  await operator.press("Confirm federation");
  await expect(operator.status("stays federated")).toBeVisible();
  await expect(page.getByRole("heading", { name: `${domain} is federated` })).toBeVisible();
  await audit(page);

  await operator.press("Revert");
  await operator.runReaches("Succeeded");
  await openFederation(operator);
  await expect(page.getByText(/was taken back on/)).toBeVisible();
  await expect(operator.button("Plan federation")).toBeVisible();
  await page.setViewportSize({ width: 320, height: 640 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
  expect(wide, "nothing scrolls sideways at 320 px").toBe(false);
});

test("nobody confirms: the domain is taken back by itself", async ({ operator, page }) => {
  test.setTimeout(300_000);
  await permit(operator);
  await openFederation(operator);
  await operator.press("Check now");
  await waiveTheRest(operator);
  await openFederation(operator);
  await federate(operator, "1");
  await operator.menu("Users");
  await expect(page.getByText(/is taken back by itself in|it is taken back now/)).toBeVisible();
  await openFederation(operator);
  await expect(async () => {
    await page.reload();
    await expect(page.getByText(/was taken back on/)).toBeVisible({ timeout: 1_000 });
  }).toPass({ timeout: 150_000 });
  await expect(page.getByText("Nobody had confirmed that people can sign in.")).toBeVisible();
});

test("the doctor puts an ImmutableId right by a plan", async ({ operator, page, practice }) => {
  await operator.openApplication();
  await operator.tab("Settings");
  // Else the next sync puts it right by itself.
  await operator.press("Pause");
  const before = await practice.account(ada.userName);
  await practice.setAccount({ id: before?.id, onPremisesImmutableId: null });
  await operator.openProvisioning();
  await operator.press("Preview changes");
  await operator.runReaches("Needs your answer");
  await operator.press("Discard");
  await openFederation(operator);
  await operator.press("Check now");
  await page.getByRole("link", { name: "Open doctor" }).click();
  await page.getByRole("navigation", { name: "States of accounts" }).getByRole("link", { name: /^Missing/ }).click();
  await expect(page.getByRole("row", { name: new RegExp(ada.userName) })).toContainText("Repair it here.");
  await operator.press("Repair all 1");
  await operator.runReaches("Needs your answer");
  await operator.press("Apply");
  await operator.runReaches("Succeeded");
  expect((await practice.account(ada.userName))?.onPremisesImmutableId).toBe(before?.onPremisesImmutableId);
});

test("from one signing certificate to the next", async ({ operator, page }) => {
  test.setTimeout(300_000);
  await permit(operator);
  await openFederation(operator);
  await operator.press("Check now");
  await waiveTheRest(operator);
  await openFederation(operator);
  await federate(operator, "30");
  await page.getByRole("checkbox", { name: "Confirm although the test sign-in was not seen" }).check();
  await operator.press("Confirm federation");
  await expect(operator.status("stays federated")).toBeVisible();

  const update = async () => {
    await operator.press("Plan update");
    await operator.runReaches("Needs your answer");
    await operator.press("Apply");
    await operator.runReaches("Succeeded");
    await operator.openApplication();
    await operator.tab("Sign-on");
  };
  await operator.tab("Sign-on");
  await page.getByRole("combobox", { name: "Good for" }).selectOption("1 year");
  await operator.press("Create next certificate");
  await expect(operator.status("stands in the metadata")).toBeVisible();
  await operator.press("Switch to next certificate");
  await expect(page.getByText("Tell Microsoft first").first()).toBeVisible();
  await audit(page);
  await update();
  const steps = page.getByRole("list", { name: "Certificate rollover" });
  await expect(steps).toContainText("Microsoft was told of it");
  await operator.press("Switch to next certificate");
  await expect(operator.status("signs now")).toBeVisible();
  await audit(page);
  await operator.press("Switch back");
  await expect(operator.status("The certificate before signs again")).toBeVisible();
  await operator.press("Switch to next certificate");
  await update();
  await expect(steps).toContainText("Microsoft was told that it is the signing certificate.");
  await operator.press("Retire old certificate");
  await expect(operator.status("The old certificate is retired")).toBeVisible();
});

test("another identity provider by its metadata", async ({ operator, page, portal }) => {
  await operator.openApplication();
  await operator.tab("Sign-on");
  const metadata = await page.getByRole("textbox", { name: "Metadata address" }).inputValue();
  const document = await (await fetch(metadata)).text();
  await page.getByRole("link", { name: "Identity provider", exact: true }).click();
  await audit(page);
  await operator.field("Metadata document").fill("<html></html>");
  await operator.press("Use this metadata");
  await expect(page.getByText("This is not a metadata document.").first()).toBeVisible();
  // Any provider will do: its own document under another name.
  await operator.field("Metadata document").fill(document.replaceAll(`${portal.url}/federation`, "https://idp.example"));
  await operator.press("Use this metadata");
  await expect(operator.status("The metadata is read")).toBeVisible();
  await audit(page);
  await page.getByRole("link", { name: "Open Federation" }).click();
  await page.getByRole("link", { name: "Show PowerShell Script" }).click();
  await expect(page.getByRole("region", { name: "Federate", exact: true })).toContainText("https://idp.example/");
});
