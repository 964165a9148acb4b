// Groups of the directory become groups of the tenant.
import { audit, expect, test } from "../fixtures";
import type { Operator } from "../operator";

test.use({ stage: "synced" });

/** The groups that the application pushes. */
async function openGroups(operator: Operator) {
  await operator.openProvisioning();
  const review = operator.page.getByRole("region", { name: "Review" });
  await review.getByRole("link", { name: /^Groups/ }).click();
}

async function sync(operator: Operator) {
  await operator.openProvisioning();
  await operator.press("Sync Users");
  await operator.runReaches("Succeeded");
}

test("a group is pushed, followed, and given up", async ({ operator, page, practice }) => {
  test.setTimeout(240_000);
  await operator.menu("Groups");
  await page.getByRole("link", { name: "Add group" }).first().click();
  await operator.field("Name").fill("Night shift");
  await operator.press("Add group");
  await openGroups(operator);
  await expect(page.getByRole("main")).toContainText("No groups are pushed");
  await audit(page);
  await page.getByRole("link", { name: "Push groups" }).click();
  await page.getByRole("checkbox", { name: "Night shift" }).check();
  await page.getByRole("combobox", { name: "When a group is no longer pushed" })
    .selectOption("Delete the group if Signpost created it");
  await audit(page);
  await operator.press("Push selected");
  await expect(operator.status("1 group is pushed by the next sync")).toBeVisible();
  await sync(operator);
  expect(await practice.groups("Night shift")).toHaveLength(1);
  await openGroups(operator);
  await expect(page.getByRole("main")).toContainText("Created by Signpost");
  await audit(page);

  await page.getByText("Stop pushing Night shift").first().click();
  await page.getByRole("button", { name: "Stop pushing Night shift" }).click();
  await expect(operator.status("no longer pushed")).toBeVisible();
  await sync(operator);
  expect(await practice.groups("Night shift")).toHaveLength(0);
});

test("a group of the same name is linked only when somebody says so", async ({ operator, page, practice }) => {
  test.setTimeout(240_000);
  await operator.menu("Groups");
  await page.getByRole("link", { name: "Add group" }).first().click();
  await operator.field("Name").fill("Sales Team");
  await operator.press("Add group");
  await openGroups(operator);
  await page.getByRole("link", { name: "Push groups" }).click();
  await page.getByRole("checkbox", { name: "Sales Team" }).check();
  await operator.press("Push selected");
  await sync(operator);
  await openGroups(operator);
  const main = page.getByRole("main");
  await expect(main).toContainText("Needs review");
  await audit(page);
  await page.getByRole("combobox", { name: "Choice for Sales Team" }).selectOption({ index: 1 });
  await page.getByRole("button", { name: "Save choice for Sales Team" }).click();
  await expect(operator.status("The choice is saved")).toBeVisible();
  await sync(operator);
  await openGroups(operator);
  await expect(main).toContainText("Linked to Sales Team");
  expect(await practice.groups("Sales Team")).toHaveLength(1);
});
