// What a person does on the pages, by the words they read there.
import { expect, type Locator, type Page } from "@playwright/test";
import { type Portal, setupCode } from "./portal";
import type { Watch } from "./watch";

export const owner = { name: "Ada Nilsson", email: "ada@contoso.example" };
export const password = "correct horse battery staple";

export class Operator {
  constructor(
    readonly page: Page,
    readonly portal: Portal,
    readonly watch: Watch,
  ) {}

  /** Goes to a part of the portal by the menu. */
  async menu(name: string): Promise<void> {
    if (this.page.url() === "about:blank") await this.page.goto("/");
    await this.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true }).click();
  }

  /** The page of the user with this name, found by searching. */
  async openUser(name: string): Promise<void> {
    await this.menu("Users");
    await this.search("Search users", name);
    await this.page.getByRole("main").getByRole("link", { name, exact: true }).click();
    await expect(this.page.getByRole("heading", { level: 1, name })).toBeVisible();
  }

  /** Makes the link with which a user chooses a password. */
  async invite(name: string): Promise<string> {
    await this.openUser(name);
    await this.press("Invite");
    return this.shownOnce();
  }

  /** The one-time link that the page shows this once. */
  async shownOnce(): Promise<string> {
    const link = this.page.getByRole("main").getByText(/^https?:\/\/\S+$/);
    await expect(link).toBeVisible();
    return (await link.textContent()) ?? "";
  }

  async search(label: string, text: string): Promise<void> {
    await this.page.getByRole("searchbox", { name: label }).fill(text);
    await this.page.keyboard.press("Enter");
    await expect(this.page).toHaveURL(/[?&]q=/);
  }

  /** Goes to a part of an application by its tabs. */
  async tab(name: string): Promise<void> {
    await this.page.getByRole("navigation", { name: "Application" }).getByRole("link", { name, exact: true }).click();
  }

  press(name: string): Promise<void> {
    return this.button(name).click();
  }

  button(name: string): Locator {
    return this.page.getByRole("button", { name, exact: true });
  }

  field(name: string): Locator {
    return this.page.getByRole("textbox", { name, exact: true }).or(this.page.getByLabel(name, { exact: true })).first();
  }

  async setUp(): Promise<void> {
    await this.page.goto("/");
    await expect(this.page).toHaveURL("/setup");
    await this.field("Setup code").fill(setupCode);
    await this.field("Your name").fill(owner.name);
    await this.field("Email").fill(owner.email);
    await this.field("Password").fill(password);
    await this.press("Create owner");
    await expect(this.page).toHaveURL("/");
  }

  async signIn(email = owner.email, secret = password): Promise<void> {
    await this.page.goto("/sign-in");
    await this.field("Email").fill(email);
    await this.field("Password").fill(secret);
    await this.press("Sign in");
  }

  async importSample(): Promise<void> {
    await this.menu("Import");
    await this.press("Use the sample");
    await expect(this.button("Import users")).toBeEnabled({ timeout: 60_000 });
    await this.press("Import users");
    await expect(this.status("Imported: 200 users added")).toBeVisible({ timeout: 60_000 });
  }

  /** Chooses a file made of `text` and lets the portal check it. */
  async checkFile(text: string | Buffer, name = "people.csv"): Promise<void> {
    await this.menu("Import");
    const buffer = Buffer.from(text);
    await this.page.getByLabel("CSV file").setInputFiles({ name, mimeType: "text/csv", buffer });
    await this.press("Check file");
  }

  /** From the menu to the assignments of a new application. */
  async addApplication(name: string, access: string): Promise<void> {
    await this.menu("Applications");
    await this.page.getByRole("link", { name: "Add application" }).click();
    await this.field("Application name").fill(name);
    await this.press("Next");
    await this.page.getByRole("radiogroup", { name: "User Access Type" }).getByRole("radio", { name: access }).check();
    await this.press("Finish");
    await expect(this.page.getByRole("heading", { name: "Application User Assignments" })).toBeVisible();
  }

  /** Ticks users and groups in the list to assign from, found by searching their names. */
  async assign(...names: string[]): Promise<void> {
    for (const name of names) {
      await this.page.getByRole("link", { name: "Assign users" }).click();
      await this.search("Search users and groups", name);
      await this.page.getByRole("checkbox", { name, exact: true }).check();
      await this.press("Assign selected");
      await expect(this.page.getByRole("heading", { name: "Application User Assignments" })).toBeVisible();
    }
  }

  /** Assigns everyone whom the search finds, beyond the page too. */
  async assignAll(search: string): Promise<void> {
    await this.page.getByRole("link", { name: "Assign users" }).click();
    await this.search("Search users and groups", search);
    await this.page.getByRole("checkbox", { name: /^All \d+ users and groups that match$/ }).check();
    await this.press("Assign selected");
    await expect(this.status(/\d+ assignments were added/)).toBeVisible();
  }

  /** Takes back what this row of the assignments says. */
  async unassign(name: string): Promise<void> {
    await this.search("Search users and groups", name);
    await this.page.getByRole("row", { name }).getByRole("button", { name: "Unassign", exact: true }).click();
    await expect(this.status("assignment was removed")).toBeVisible();
  }

  /** Goes to the pages of an application by the menu. */
  async openApplication(name = "Microsoft 365"): Promise<void> {
    await this.menu("Applications");
    await this.page.getByRole("main").getByRole("link", { name, exact: true }).click();
    await expect(this.page.getByRole("navigation", { name: "Application", exact: true })).toBeVisible();
  }

  async openProvisioning(application = "Microsoft 365"): Promise<void> {
    await this.openApplication(application);
    await this.tab("Provisioning");
    const cloud = this.page.getByRole("combobox", { name: "Cloud" });
    if (!(await cloud.isVisible())) await this.page.getByText("Microsoft (Office) 365", { exact: true }).click();
    await expect(cloud).toBeVisible();
  }

  /** Connects to the practice tenant and gives everybody `license`. */
  async connect(license = "Microsoft 365 E3"): Promise<void> {
    await this.openProvisioning();
    await this.press("Use practice values");
    await this.press("Update Settings");
    await expect(this.status("Settings saved. Connected to")).toBeVisible();
    await this.licenses().getByRole("checkbox", { name: license, exact: true }).check();
    await this.press("Update Settings");
    await expect(this.status("Settings saved")).toBeVisible();
    await expect(this.licenses().getByRole("checkbox", { name: license, exact: true })).toBeChecked();
  }

  licenses(): Locator {
    return this.page.getByRole("region", { name: "Licenses", exact: true });
  }

  actions(): Locator {
    return this.page.getByRole("region", { name: "Actions", exact: true });
  }

  /** Syncs everybody; whoever needs a choice gets the first account offered. */
  async syncUsers(): Promise<void> {
    await this.openProvisioning();
    await this.press("Sync Users");
    await this.runReaches("Needs your answer");
    await this.chooseFirst();
    // Nothing needs an answer any more: the sync goes on by itself.
    await this.runReaches("Succeeded");
  }

  /** Answers every open choice of a plan with the first account offered. */
  async chooseFirst(): Promise<void> {
    const choices = this.page.getByRole("combobox", { name: /^Choice for / });
    if ((await choices.count()) === 0) return;
    for (const choice of await choices.all()) await choice.selectOption({ index: 1 });
    const plan = this.page.url();
    await this.press("Save choices");
    await expect(this.page).not.toHaveURL(plan);
  }

  /** A status with these words. */
  status(words: string | RegExp): Locator {
    return this.page.getByRole("status").filter({ hasText: words });
  }

  alert(words: string | RegExp): Locator {
    return this.page.getByRole("alert").filter({ hasText: words });
  }

  /** Waits until the run of this page says that it is in this state. */
  async runReaches(state: string | RegExp): Promise<void> {
    await expect(this.page).toHaveURL(/\/runs\/[^/]+$/);
    await expect(this.status(state).first()).toBeVisible({ timeout: 90_000 });
  }
}
