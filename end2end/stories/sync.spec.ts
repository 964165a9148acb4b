// What a sync does, asks and refuses.
import { audit, expect, test } from "../fixtures";

test.describe("before the first sync", () => {
  test.use({ stage: "connected" });

  test("Dave has two accounts: nothing is guessed, and either choice holds", async ({ operator, page, practice }) => {
    await operator.openProvisioning();
    await operator.press("Sync Users");
    await operator.runReaches("Needs your answer");
    const choice = page.getByRole("combobox", { name: "Choice for Dave O'Brien" });
    await expect(choice).toBeVisible();
    await expect(choice.getByRole("option", { name: /^Link to this account: dave@contoso/ })).toHaveCount(1);
    await expect(choice.getByRole("option", { name: /^Link to this account: dobrien@contoso/ })).toHaveCount(1);
    await audit(page);

    await choice.selectOption("Leave out");
    await operator.press("Save choices");
    // Nothing needs an answer any more: the sync goes on by itself.
    await operator.runReaches("Succeeded");
    await expect(page.getByRole("combobox", { name: "Choice for Dave O'Brien" })).toBeHidden();
    for (const name of ["dave@contoso.example", "dobrien@contoso.example"])
      expect((await practice.account(name))?.onPremisesImmutableId).toBeFalsy();
  });

  test("Dave is linked to the account that the operator chooses", async ({ operator, page, practice }) => {
    const before = await practice.account("dobrien@contoso.example");
    await operator.openProvisioning();
    await operator.press("Preview changes");
    await operator.runReaches("Needs your answer");
    const choice = page.getByRole("combobox", { name: "Choice for Dave O'Brien" });
    const label = await choice.getByRole("option", { name: /dobrien@contoso/ }).textContent();
    await choice.selectOption({ label: label ?? "" });
    await operator.press("Save choices");
    await operator.runReaches("Needs your answer");
    await operator.press("Apply");
    await operator.runReaches("Succeeded");
    const linked = (await practice.accounts()).find((account) => account.id === before?.id);
    expect(linked?.onPremisesImmutableId).toMatch(/^[a-z0-9]{32}$/);
    expect((await practice.account("dave@contoso.example"))?.onPremisesImmutableId).toBeFalsy();
  });

  test("no seats left: who waits, and why", async ({ operator, page, practice }) => {
    await practice.setSku({ skuPartNumber: "SPE_E3", enabled: 20 });
    await operator.openProvisioning();
    await operator.press("Preview changes");
    await operator.runReaches("Needs your answer");
    await expect(page.getByRole("main")).toContainText(/No seats? of Microsoft 365 E3/);
    await audit(page);
    await operator.chooseFirst();
    await operator.runReaches("Needs your answer");
    await operator.press("Apply");
    await operator.runReaches(/^(Succeeded|Finished with problems)$/);
    const { consumedUnits, free } = await practice.sku("SPE_E3");
    expect(consumedUnits).toBe(20);
    expect(free).toBe(0);
  });

  test("a double click on Sync Users makes one run", async ({ operator, page }) => {
    await operator.openProvisioning();
    await operator.button("Sync Users").dblclick();
    await operator.runReaches("Needs your answer");
    await operator.menu("Runs");
    await expect(page.getByRole("main").getByRole("table").getByRole("row")).toHaveCount(2);
  });

  test("progress arrives by itself @javascript", async ({ operator, page, practice }) => {
    await practice.fault({ delay_ms: 700, route: "/$batch", method: "POST" });
    await operator.openProvisioning();
    await operator.press("Preview changes");
    await operator.runReaches("Needs your answer");
    await operator.chooseFirst();
    await operator.runReaches("Needs your answer");
    const loads: string[] = [];
    await operator.press("Apply");
    page.on("domcontentloaded", () => loads.push(page.url()));
    await expect(page.getByRole("progressbar", { name: "Run progress" })).toBeVisible();
    await operator.runReaches("Succeeded");
    expect(loads.length, "the page is not loaded again").toBeLessThanOrEqual(1);
  });
});

test.describe("after the first sync", () => {
  test.use({ stage: "synced" });

  test("a change on a user reaches the tenant by itself", async ({ operator, page, practice }) => {
    await operator.openUser("Ada Kaya");
    await operator.field("Job title").fill("Head of Balance");
    await operator.press("Save changes");
    await expect(operator.status("Changes saved")).toBeVisible();
    await expect
      .poll(async () => (await practice.account("ada.kaya@contoso.example"))?.jobTitle, { timeout: 30_000 })
      .toBe("Head of Balance");
  });

  test("a new user who is assigned gets an account by itself", async ({ operator, practice }) => {
    await operator.menu("Users");
    await operator.page.getByRole("link", { name: "Add user" }).first().click();
    await operator.field("User name").fill("erin.vale@contoso.example");
    await operator.field("Given name").fill("Erin");
    await operator.field("Surname").fill("Vale");
    await operator.field("Usage location").fill("PT");
    await operator.press("Add user");
    await expect(operator.status("Erin Vale")).toBeVisible();
    await operator.openApplication();
    await operator.assign("Erin Vale");
    await expect
      .poll(async () => (await practice.account("erin.vale@contoso.example"))?.assignedLicenses.length, { timeout: 30_000 })
      .toBe(1);
  });
});
