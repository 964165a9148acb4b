// People lose the application, and come back.
import { audit, expect, test } from "../fixtures";

test.use({ stage: "synced" });

const ada = "ada.kaya@contoso.example";

test.beforeEach(async ({ operator }) => {
  await operator.openProvisioning();
  for (const name of ["Block sign-in when a user is removed from assignment", "Remove licenses when a user is removed"])
    await operator.actions().getByRole("switch", { name }).check();
  await operator.press("Update Settings");
  await expect(operator.status("Settings saved")).toBeVisible();
});

test("unassigned people lose sign-in and license, and get both back", async ({ operator, page, practice }) => {
  test.setTimeout(180_000);
  await operator.tab("Assignments");
  await operator.unassign("Ada Kaya");
  const account = () => practice.account(ada);
  await expect.poll(async () => (await account())?.accountEnabled, { timeout: 30_000 }).toBe(false);
  await expect.poll(async () => (await account())?.assignedLicenses.length, { timeout: 30_000 }).toBe(0);

  await operator.assign("Ada Kaya");
  await expect.poll(async () => (await account())?.accountEnabled, { timeout: 30_000 }).toBe(true);
  await expect.poll(async () => (await account())?.assignedLicenses.length, { timeout: 30_000 }).toBe(1);
});

test("many removals at once wait for an answer", async ({ operator, page, practice }) => {
  test.setTimeout(180_000);
  await operator.tab("Assignments");
  const before = (await practice.accounts()).filter((account) => account.accountEnabled).length;
  await page.getByRole("checkbox", { name: /^All 200 users and groups that match$/ }).check();
  await operator.press("Unassign selected");
  await expect(operator.status("200 assignments were removed")).toBeVisible();
  await operator.openProvisioning();
  await operator.press("Sync Users");
  await operator.runReaches("Needs your answer");
  await expect(page.getByRole("main")).toContainText("more than your limit");
  expect((await practice.accounts()).filter((account) => account.accountEnabled)).toHaveLength(before);
  await audit(page);
  await operator.press("Discard");
  await operator.runReaches("Cancelled");
  expect((await practice.accounts()).filter((account) => account.accountEnabled)).toHaveLength(before);
});
