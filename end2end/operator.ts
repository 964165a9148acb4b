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
    await this.page.getByRole("navigation", { name: "Main" }).getByRole("link", { name, exact: true }).click();
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
    await this.page.goto("/setup");
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
    await this.press("Import the sample of 200 people");
    await this.importChecked();
  }

  /** From the preview of an import to its end. */
  async importChecked(): Promise<void> {
    await this.button("Import users").click();
    await expect(this.page.getByRole("status").filter({ hasText: /imported|created/i })).toBeVisible();
  }

  async addApplication(name: string, access: string): Promise<void> {
    await this.menu("Applications");
    await this.page.getByRole("link", { name: "Add application" }).first().click();
    await this.field("Application name").fill(name);
    await this.press("Next");
    await this.page.getByRole("group", { name: "User Access Type" }).getByRole("radio", { name: access }).check();
    await this.press("Finish");
    await expect(this.page.getByRole("heading", { name: "Application User Assignments" })).toBeVisible();
  }

  /** The application's provisioning page, its card open. */
  async openProvisioning(application = "Microsoft 365"): Promise<void> {
    if (!/\/applications\/[^/]+\//.test(this.page.url())) {
      await this.menu("Applications");
      await this.page.getByRole("main").getByRole("link", { name: application, exact: true }).click();
    }
    await this.tab("Provisioning");
    const cloud = this.page.getByRole("combobox", { name: "Cloud" });
    if (!(await cloud.isVisible())) await this.page.getByText("Microsoft (Office) 365", { exact: true }).click();
    await expect(cloud).toBeVisible();
  }

  async connect(): Promise<void> {
    await this.openProvisioning();
    await this.press("Use practice values");
    await this.press("Update Settings");
    await expect(this.page.getByRole("region", { name: "Licenses" })).toBeVisible();
  }

  async syncUsers(): Promise<void> {
    await this.openProvisioning();
    await this.press("Sync Users");
    await this.runIsOver();
  }

  /** The state of the run on this page, in the words of the contract. */
  runState(): Locator {
    return this.page.getByRole("status");
  }

  async runIsOver(state: string | RegExp = /^(Succeeded|Finished with problems|Failed|Cancelled)$/): Promise<void> {
    await expect(this.page).toHaveURL(/\/runs\/[^/]+$/);
    await expect(this.page.getByRole("status").filter({ hasText: state })).toBeVisible({ timeout: 60_000 });
  }
}
