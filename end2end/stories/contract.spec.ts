// The names that people, and programs in their place, find things by. One test for each row of the contract.
import type { Locator, Page } from "@playwright/test";
import { expect, password, setupCode, test } from "../fixtures";
import { totp } from "../totp";

type Role = Parameters<Page["getByRole"]>[0];

/** Exactly one thing has this role and name, and nothing else has the name in its own. */
async function only(within: Page | Locator, role: Role, ...names: string[]): Promise<void> {
  for (const name of names) {
    await expect(within.getByRole(role, { name, exact: true }), `${role} ${name}`).toHaveCount(1);
    await expect(within.getByRole(role, { name }), `${role} ${name}, and nothing like it`).toHaveCount(1);
    await expect(within.getByRole(role, { name }), `${role} ${name}`).toBeVisible();
  }
}

/** There is one thing of this role to ask, whatever it is called. */
async function one(page: Page, role: Role): Promise<void> {
  await expect(page.getByRole(role), `the ${role}`).toHaveCount(1);
}

/** A field with its words above it, and told apart from others by them. */
async function field(within: Page | Locator, ...names: string[]): Promise<void> {
  for (const name of names) {
    await expect(within.getByLabel(name, { exact: true }), name).toHaveCount(1);
    await expect(within.getByLabel(name, { exact: true }), name).toBeVisible();
  }
}

test.describe("first start", () => {
  test.use({ stage: "fresh" });

  test("the setup", async ({ page }) => {
    await page.goto("/applications");
    await expect(page).toHaveURL("/setup");
    await only(page, "textbox", "Setup code", "Your name", "Email", "Password");
    await only(page, "button", "Create owner");
    await page.getByRole("textbox", { name: "Setup code" }).fill(setupCode);
    await page.getByRole("textbox", { name: "Your name" }).fill("Ada Nilsson");
    await page.getByRole("textbox", { name: "Email" }).fill("not an address");
    await page.getByRole("textbox", { name: "Password" }).fill(password);
    await page.getByRole("button", { name: "Create owner" }).click();
    await one(page, "alert");
    await expect(page.getByRole("textbox", { name: "Email" })).toHaveAccessibleDescription(/Enter an email address/);
  });
});

test.describe("signing in", () => {
  test.use({ stage: "owner" });

  test("the sign-in, with a second factor", async ({ another, operator, page }) => {
    await page.goto("/account/second-factor");
    await operator.press("Start");
    const key = await operator.field("Key").inputValue();
    await operator.field("Verification code").fill(totp(key));
    await operator.field("Current password").fill(password);
    await operator.press("Turn on second factor");
    await expect(operator.status("The second factor is on")).toBeVisible();

    const visitor = await another("signed out");
    await visitor.page.goto("/sign-in");
    await only(visitor.page, "textbox", "Email", "Password");
    await only(visitor.page, "button", "Sign in");
    await visitor.signIn();
    await only(visitor.page, "textbox", "Verification code");
    await only(visitor.page, "button", "Sign in");
  });

  test("every page has the menu and the way out", async ({ page }) => {
    const links = ["Overview", "Applications", "Runs", "Users", "Groups", "Import", "Audit log", "Settings"];
    for (const address of ["/", "/applications", "/runs", "/users", "/groups", "/import", "/audit-log", "/settings"]) {
      await page.goto(address);
      await only(page, "navigation", "Main");
      await only(page.getByRole("navigation", { name: "Main" }), "link", ...links);
      await only(page, "button", "Sign out");
    }
  });
});

test.describe("applications", () => {
  test("a new application, and who gets it", async ({ operator, page, practice }) => {
    await page.goto("/applications");
    await only(page, "link", "Add application");
    await page.getByRole("link", { name: "Add application" }).click();
    await expect(page).toHaveURL("/applications/new");
    await only(page, "textbox", "Application name");
    await only(page, "button", "Next");
    await page.getByRole("textbox", { name: "Application name" }).fill("Office");
    await page.getByRole("button", { name: "Next" }).click();
    await only(page, "radiogroup", "User Access Type");
    const types = page.getByRole("radiogroup", { name: "User Access Type" });
    await only(types, "radio", "All users", "Assigned users and groups", "Users that match a rule");
    await only(page, "button", "Finish");
    await page.getByRole("radio", { name: "Assigned users and groups" }).check();
    await page.getByRole("button", { name: "Finish" }).click();
    await expect(page).toHaveURL(/\/applications\/[^/]+\/assignments$/);
    await only(page, "heading", "Application User Assignments");
    await only(page, "link", "Assign users");
    await only(page, "navigation", "Application");
    await only(
      page.getByRole("navigation", { name: "Application" }),
      "link",
      "Assignments",
      "Provisioning",
      "Runs",
      "Sign-on",
      "Settings",
    );

    await page.getByRole("link", { name: "Assign users" }).click();
    await only(page, "searchbox", "Search users and groups");
    await only(page, "button", "Assign selected");
    await only(page, "checkbox", "Ada Kaya", "Everyone");
    await page.getByRole("checkbox", { name: "Ada Kaya" }).check();
    await page.getByRole("checkbox", { name: "Everyone" }).check();
    await page.getByRole("button", { name: "Assign selected" }).click();
    await only(page, "heading", "Application User Assignments");
    await one(page, "status");
    await expect(page.getByRole("status")).toContainText("2 assignments were added");
    for (const name of ["Everyone", "Ada Kaya"])
      await only(page.getByRole("row").filter({ hasText: name }), "button", "Unassign");
    await expect(page.getByRole("row").filter({ hasText: "Ada Kaya" })).toContainText("Waiting");
    await expect(page.getByRole("row").filter({ hasText: "Ada Kaya" })).toContainText("Not synced yet");
    const ada = page.getByRole("row").filter({ hasText: "Ada Kaya" });
    await expect(ada.getByRole("button", { name: "Unassign" })).toHaveAccessibleDescription(/Ada Kaya/);

    await ada.getByRole("button", { name: "Unassign" }).click();
    await expect(page.getByRole("status")).toContainText("1 assignment was removed");
    expect((await practice.calls()).writes).toBe(0);
  });
});

test.describe("provisioning", () => {
  test.use({ stage: "application" });

  test("the connection, the licenses, the actions", async ({ operator, page }) => {
    await operator.openApplication();
    await page.goto(page.url().replace(/\/assignments$/, "/provisioning"));
    await expect(page.getByText("Microsoft (Office) 365", { exact: true })).toBeVisible();
    await only(page, "combobox", "Cloud");
    await expect(page.getByRole("combobox", { name: "Cloud" }).getByRole("option")).toHaveText([
      "Microsoft 365",
      "GCC High",
      "DoD",
      "China",
      "Practice tenant",
    ]);
    await only(page, "textbox", "Domain name", "Directory (tenant) ID", "Application (client) ID", "Secret Value");
    await only(page, "button", "Use practice values", "Update Settings", "Preview changes", "Sync Users");
    await only(page, "link", "Show PowerShell Script");
    await only(page, "region", "Licenses", "Actions");

    await page.getByRole("button", { name: "Use practice values" }).click();
    await page.getByRole("button", { name: "Update Settings" }).click();
    await one(page, "status");
    await expect(page.getByRole("status")).toContainText("Settings saved");
    const licenses = page.getByRole("region", { name: "Licenses" });
    await only(licenses, "checkbox", "Microsoft 365 E3");
    const e3 = licenses.getByRole("row").filter({ has: page.getByRole("checkbox", { name: "Microsoft 365 E3" }) });
    await expect(e3).toContainText(/\d+ free/);
    await licenses.getByText(/services on$/).first().click();
    await expect(licenses.getByRole("checkbox", { name: "Microsoft Teams" }).first()).toBeVisible();
    const actions = page.getByRole("region", { name: "Actions" });
    await only(
      actions,
      "switch",
      "Create accounts",
      "Update profiles",
      "Assign licenses",
      "Block sign-in when a user is removed from assignment",
      "End sessions when sign-in is blocked",
      "Remove licenses when a user is removed",
      "Delete the account after removal",
    );
    await field(actions, "Days before deletion");
    await expect(page.getByRole("textbox", { name: "Secret Value" })).toHaveValue("");
    await expect(page.getByText(/^Saved .+, expires/)).toBeVisible();

    await page.getByRole("textbox", { name: "Domain name" }).fill("not a domain");
    await page.getByRole("button", { name: "Update Settings" }).click();
    await one(page, "alert");
    await expect(page.getByRole("textbox", { name: "Domain name" })).toHaveAccessibleDescription(/Enter a domain name/);
  });
});

test.describe("plans and runs", () => {
  test.use({ stage: "connected" });

  test("a plan, its run, and what came of it", async ({ operator, page, practice }) => {
    await practice.fault({ delay_ms: 400, route: "/$batch", method: "POST" });
    await operator.openProvisioning();
    await page.getByRole("button", { name: "Preview changes" }).click();
    await expect(page).toHaveURL(/\/runs\/[^/]+$/);
    await one(page, "status");
    await expect(page.getByRole("status")).toHaveText("Needs your answer", { timeout: 60_000 });
    await only(page, "button", "Apply", "Discard");
    await only(page, "table", "Actions");
    await only(page, "link", "Download CSV");
    await operator.chooseFirst();
    await expect(page.getByRole("status")).toHaveText("Needs your answer", { timeout: 60_000 });
    const row = page.getByRole("table", { name: "Actions" }).getByRole("row").filter({ hasText: "Create account" }).first();
    await expect(row).toContainText("Usage location");

    await page.getByRole("button", { name: "Apply" }).click();
    await expect(page.getByRole("status")).toHaveText("Running");
    await one(page, "progressbar");
    await only(page, "button", "Cancel");
    await expect(page.getByRole("status")).toHaveText("Succeeded", { timeout: 90_000 });
    await page.getByRole("link", { name: /^Create account/ }).click();
    await expect(page).toHaveURL(/kind=create_account/);
    await expect(page.getByRole("table", { name: "Actions" })).toContainText("Applied");
    await page.getByText("Details for support").first().click();
    await expect(page.getByText("Request ID").first()).toBeVisible();
  });

  test("what failed is tried again by one button", async ({ operator, page, practice }) => {
    await practice.fault({ route: "/users", method: "POST", status: 400, once: true });
    await operator.openProvisioning();
    await page.getByRole("button", { name: "Preview changes" }).click();
    await operator.runReaches("Needs your answer");
    await operator.chooseFirst();
    await operator.runReaches("Needs your answer");
    await page.getByRole("button", { name: "Apply" }).click();
    await expect(page.getByRole("status")).toHaveText("Finished with problems", { timeout: 90_000 });
    await only(page, "button", "Retry failed");
    await page.getByRole("button", { name: "Retry failed" }).click();
    await expect(page.getByRole("status")).toHaveText("Succeeded", { timeout: 60_000 });
  });

  test("a plan that was discarded says so", async ({ operator, page }) => {
    await operator.openProvisioning();
    await page.getByRole("button", { name: "Preview changes" }).click();
    await operator.runReaches("Needs your answer");
    await page.getByRole("button", { name: "Discard" }).click();
    await expect(page.getByRole("status")).toHaveText("Cancelled");
    await expect(page.getByRole("button", { name: "Apply" })).toHaveCount(0);
  });

  test("the scripts", async ({ operator, page }, info) => {
    await operator.openProvisioning();
    await page.getByRole("link", { name: "Show PowerShell Script" }).click();
    await expect(page).toHaveURL(/\/applications\/[^/]+\/powershell$/);
    await only(page, "region", "Federate", "Revert");
    for (const name of ["Federate", "Revert"]) {
      const region = page.getByRole("region", { name });
      await only(region, "link", "Download");
      await expect(region).toContainText("Microsoft.Graph.Authentication");
      // Only a script can copy.
      if (info.project.use.javaScriptEnabled !== false) await only(region, "button", "Copy");
    }
  });
});

test.describe("import", () => {
  test.use({ stage: "owner" });

  test("a file, its check, its import", async ({ page }) => {
    await page.goto("/import");
    await field(page, "CSV file");
    await only(page, "button", "Check file");
    const text = "User name,First name,Last name\ncarol@contoso.example,Carol,Whitfield\nnobody,No,Body\n";
    await page.getByLabel("CSV file").setInputFiles({ name: "a.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
    await page.getByRole("button", { name: "Check file" }).click();
    await expect(page.getByRole("button", { name: "Import users", exact: true })).toBeEnabled({ timeout: 60_000 });
    await only(page, "button", "Import users");
    await expect(page.getByRole("row").filter({ hasText: "nobody" })).toContainText("Refused");
    await page.getByRole("button", { name: "Import users" }).click();
    await expect(page.getByRole("status").filter({ hasText: "1 user added" })).toBeVisible({ timeout: 60_000 });
  });
});
