// A user who signs in to Microsoft 365: from Microsoft's page to Signpost's and back.
import { type CDPSession, expect, type Locator, type Page, test } from "@playwright/test";
import type { Portal } from "./portal";

export const ada = { name: "Ada Kaya", userName: "ada.kaya@contoso.example", password: "a lantern over the harbour" };

/** What Microsoft asks for beside the name. */
export interface Wishes {
  multiFactor?: boolean;
  fresh?: boolean;
}

export class Person {
  constructor(
    readonly page: Page,
    readonly portal: Portal,
  ) {}

  /** Begins at Microsoft, who sends them to Signpost. */
  async startAtMicrosoft(wishes: Wishes = {}, userName = ada.userName): Promise<void> {
    await this.page.goto(`${this.portal.practice.page}sign-in`);
    await this.field("User principal name").fill(userName);
    if (wishes.multiFactor) await this.page.getByLabel("Ask for a second factor").check();
    if (wishes.fresh) await this.page.getByLabel("Ask for a fresh sign-in").check();
    await this.send("Next");
  }

  /** Presses a button that leads elsewhere. */
  send(name: string): Promise<void> {
    return this.leave(() => this.press(name));
  }

  /** Leaves the page, and those after it that a script would send on by itself: without one they have a button. */
  async leave(act: () => Promise<void>): Promise<void> {
    if (test.info().project.use.javaScriptEnabled !== false) return act();
    const next = this.page.getByRole("button", { name: "Continue", exact: true });
    for (let go = act; ; go = () => next.click()) {
      const arrived = this.page.waitForEvent("framenavigated");
      await go();
      await arrived;
      await this.page.waitForLoadState();
      if (!(await next.isVisible())) return;
    }
  }

  async givePassword(password = ada.password, userName = ada.userName): Promise<void> {
    await expect(this.page.getByRole("heading", { level: 1, name: "Sign in" })).toBeVisible();
    await this.field("User name").fill(userName);
    await this.field("Password").fill(password);
    await this.send("Sign in");
  }

  async giveCode(code: string): Promise<void> {
    await this.field("Verification code").fill(code);
    await this.send("Sign in");
  }

  /** Microsoft 365 would open now. */
  async arrives(signedInBy?: RegExp): Promise<void> {
    await expect(this.page.getByRole("heading", { level: 1, name: `Signed in as ${ada.userName}` })).toBeVisible();
    if (signedInBy) await expect(this.page.getByRole("main")).toContainText(signedInBy);
  }

  press(name: string): Promise<void> {
    return this.page.getByRole("button", { name, exact: true }).click();
  }

  field(name: string): Locator {
    return this.page.getByLabel(name, { exact: true });
  }

  heading(name: string | RegExp): Locator {
    return this.page.getByRole("heading", { level: 1, name });
  }

  alert(words: string | RegExp): Locator {
    return this.page.getByRole("alert").filter({ hasText: words });
  }

  /** A device that keeps passkeys and is unlocked by its owner. */
  async device(): Promise<CDPSession> {
    const session = await this.page.context().newCDPSession(this.page);
    await session.send("WebAuthn.enable");
    await session.send("WebAuthn.addVirtualAuthenticator", {
      options: {
        protocol: "ctap2",
        transport: "internal",
        hasResidentKey: true,
        hasUserVerification: true,
        isUserVerified: true,
        automaticPresenceSimulation: true,
      },
    });
    return session;
  }
}

/** How a second factor came back to Microsoft, and a password alone. */
export const bySecondFactor = /multipleauthn/;
export const byPassword = /am:password|PasswordProtectedTransport/;
