// People and groups: finding, changing, importing them.
import { audit, expect, test } from "../fixtures";

test.describe("with 200 people", () => {
  test("users are searched, sorted and paged", async ({ operator, page }) => {
    await operator.menu("Users");
    const rows = page.getByRole("table", { name: "Users" }).getByRole("rowheader");
    await expect(rows.first()).toBeVisible();
    const first = await rows.allTextContents();
    await page.getByRole("link", { name: "Next" }).click();
    await expect(rows.first()).not.toHaveText(first[0]);
    const second = await rows.allTextContents();
    expect(second.filter((row) => first.includes(row))).toEqual([]);
    await page.getByRole("link", { name: "Previous" }).click();
    await expect(rows.first()).toHaveText(first[0]);

    await page.getByRole("columnheader", { name: "Name" }).getByRole("link").click();
    await expect(page.getByRole("columnheader", { name: "Name" })).toHaveAttribute("aria-sort", "descending");
    await expect(rows.first()).not.toHaveText(first[0]);

    await operator.search("Search users", "lefevre");
    await expect(page.getByRole("table", { name: "Users" })).toContainText("Zoë Lefèvre");
    await operator.search("Search users", "nobody at all");
    await expect(page.getByRole("main")).toContainText("Nobody matches");
    await audit(page);
  });

  test("two people who edit one user at once lose nothing", async ({ operator, page, another }) => {
    await operator.openUser("Ada Kaya");
    const other = await another();
    await other.page.goto(page.url());
    await other.field("Job title").fill("Controller");
    await other.press("Save changes");
    await expect(other.status("Changes saved")).toBeVisible();

    await operator.field("Office").fill("Izmir");
    await operator.press("Save changes");
    await expect(operator.alert("Somebody else changed this meanwhile")).toBeVisible();
    await expect(operator.field("Office")).toHaveValue("Izmir");
    await expect(page.getByRole("main")).toContainText("Controller");
    await audit(page);
  });

  test("a deleted user comes back", async ({ operator, page }) => {
    await operator.openUser("Ada Kaya");
    await operator.press("Delete user");
    await operator.menu("Users");
    await operator.search("Search users", "Ada Kaya");
    await expect(page.getByRole("main")).toContainText("Nobody matches");
    await page.goto("/users?state=deleted");
    await page.getByRole("link", { name: "Ada Kaya" }).click();
    await operator.press("Restore user");
    await expect(operator.button("Delete user")).toBeVisible();
  });

  test("each field of a user refuses what it should and keeps the rest", async ({ operator, page }) => {
    await page.goto("/users/new");
    await operator.field("User name").fill("not an address");
    await operator.field("Given name").fill("Erin");
    await operator.field("Surname").fill("Vale");
    await operator.field("Usage location").fill("Q1");
    await operator.press("Add user");
    await expect(operator.field("User name")).toHaveAttribute("aria-invalid", "true");
    await expect(operator.field("Usage location")).toHaveAttribute("aria-invalid", "true");
    await expect(operator.field("Given name")).toHaveValue("Erin");
    await expect(operator.field("Usage location")).toHaveValue("Q1");
    await audit(page);
  });

  test("a second import of the same file changes nothing", async ({ operator, page }) => {
    await operator.menu("Import");
    await operator.press("Use the sample");
    await expect(page.getByRole("main")).toContainText("This file changes nothing", { timeout: 60_000 });
    await expect(operator.button("Import users")).toBeDisabled();
  });
});

test.describe("importing", () => {
  test.use({ stage: "owner" });

  test("a broken file is told row by row, and the good rows are imported", async ({ operator, page }) => {
    await page.goto("/");
    await operator.checkFile(
      [
        "User name,First name,Last name,Usage location",
        "carol@contoso.example,Carol,Whitfield,PT",
        "not an address,Dave,O'Brien,GB",
        "erin@contoso.example,Erin,Vale,Atlantis",
        "carol@contoso.example,Carol,Twice,PT",
        "",
      ].join("\n"),
    );
    const rows = page.getByRole("table", { name: "Rows of the file" });
    await expect(rows).toBeVisible({ timeout: 60_000 });
    await expect(rows.getByRole("row", { name: /^3 / })).toContainText("Refused");
    await expect(rows.getByRole("row", { name: /^4 / })).toContainText("Atlantis");
    await expect(rows.getByRole("row", { name: /^5 / })).toContainText("Refused");
    await audit(page);
    await operator.press("Import users");
    await expect(operator.status("Imported: 1 user added")).toBeVisible({ timeout: 60_000 });
    await audit(page);
  });

  test("a file that is no table is refused in words", async ({ operator, page }) => {
    await page.goto("/");
    await operator.checkFile(Buffer.from([0x50, 0x4b, 0x03, 0x04, 0, 1, 2, 3, 0xff, 0xfe, 0]), "people.xlsx");
    await expect(page.getByRole("alert").first()).toBeVisible({ timeout: 60_000 });
    await audit(page);
  });

  test("an export of another product, UTF-16 and semicolons, is understood", async ({ operator, page }) => {
    await page.goto("/");
    const text = "userPrincipalName;givenName;surname;usageLocation\r\nzoë@contoso.example;Zoë;Müller;DE\r\n";
    await operator.checkFile(Buffer.from(`\uFEFF${text.replace("zoë@", "zoe@")}`, "utf16le"));
    await expect(page.getByRole("table", { name: "Rows of the file" })).toContainText("zoe@contoso.example", {
      timeout: 60_000,
    });
    await operator.press("Import users");
    await expect(operator.status("Imported: 1 user added")).toBeVisible({ timeout: 60_000 });
  });
});
