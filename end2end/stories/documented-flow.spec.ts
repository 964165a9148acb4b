// The flow that the product promises, from the first start to licensed accounts in the tenant.
import { readFileSync } from "node:fs";
import path from "node:path";
import { audit, expect, test } from "../fixtures";

test.use({ stage: "fresh" });

const sample = path.resolve(import.meta.dirname, "../../crates/import/samples/people-200.csv");
const people = readFileSync(sample, "utf8")
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => line.split(",")[3].replace(/^"(.*)"$/, "$1").replaceAll('""', '"'));
const manyAccounts = 200;

test("from the first start to 200 people with accounts and licenses", async ({ operator, page, practice }) => {
  test.setTimeout(300_000);
  await test.step("create the owner", () => operator.setUp());
  await test.step("import the sample", () => operator.importSample());
  await test.step("add the application", async () => {
    await operator.addApplication("Microsoft 365", "Assigned users and groups");
    await operator.assign("Everyone", "Ada Kaya");
    await expect(page.getByRole("main")).toContainText("Everyone");
  });

  await test.step("connect it", async () => {
    await operator.tab("Provisioning");
    await expect(operator.licenses()).toContainText("No licenses yet");
    await operator.press("Use practice values");
    await expect(page.getByRole("combobox", { name: "Cloud" })).toHaveValue(/practice/);
    await operator.press("Update Settings");
    await expect(operator.status("Settings saved. Connected to Contoso Practice")).toBeVisible();
    await operator.licenses().getByRole("checkbox", { name: "Microsoft 365 E3", exact: true }).check();
    await expect(operator.actions().getByRole("switch", { name: "Create accounts" })).toBeChecked();
    await operator.press("Update Settings");
    await expect(operator.status("Settings saved")).toBeVisible();
  });

  await test.step("see what would change", async () => {
    const writes = (await practice.calls()).writes;
    await operator.press("Preview changes");
    await operator.runReaches("Needs your answer");
    await expect(page.getByRole("table", { name: "Actions" })).toContainText("Create account");
    expect((await practice.calls()).writes).toBe(writes);
    await audit(page);
  });

  await test.step("apply it", async () => {
    await operator.chooseFirst();
    await operator.runReaches("Needs your answer");
    await operator.press("Apply");
    await operator.runReaches("Succeeded");
    await audit(page);
  });

  await test.step("see it from Microsoft's side", async () => {
    const { skuId } = await practice.sku("SPE_E3");
    const licensed = (await practice.accounts()).filter(
      (account) =>
        !account.deletedDateTime &&
        account.onPremisesImmutableId &&
        account.assignedLicenses.some((license) => license.skuId === skuId),
    );
    const names = new Set(licensed.map((account) => account.displayName));
    expect(people.filter((name) => !names.has(name))).toEqual([]);
    expect(licensed).toHaveLength(manyAccounts);
    const ada = await practice.account("ada.kaya@contoso.example");
    expect(ada).toMatchObject({ displayName: "Ada Kaya", accountEnabled: true, department: "Finance", usageLocation: "TR" });
    expect(ada?.onPremisesImmutableId).toMatch(/^[a-z0-9]{32}$/);
    await page.goto(practice.page);
    await page.getByLabel("Name, user principal name or mail").fill("Ada Kaya");
    await page.getByRole("button", { name: "Search" }).click();
    await expect(page.getByRole("row").filter({ hasText: "ada.kaya@contoso.example" })).toContainText("Microsoft 365 E3");
    await audit(page);
  });

  await test.step("a second sync changes nothing", async () => {
    await page.goto("/");
    await operator.openProvisioning();
    await practice.reset("calls");
    await operator.press("Sync Users");
    await operator.runReaches("Succeeded");
    await expect(page.getByRole("main")).toContainText("Nothing had to change");
    expect((await practice.calls()).writes).toBe(0);
  });
});
