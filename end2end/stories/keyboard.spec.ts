// The main job without a mouse.
import type { Page } from "@playwright/test";
import { expect, owner, password, test } from "../fixtures";

test.use({ stage: "connected" });

/** Tabs to the control with this role and name, and checks that every stop on the way shows where it is. */
async function tabTo(page: Page, role: Parameters<Page["getByRole"]>[0], name: string): Promise<void> {
  const wanted = page.getByRole(role, { name, exact: true }).first();
  for (let stops = 0; stops < 150; stops++) {
    await page.keyboard.press("Tab");
    const hidden = await page.evaluate(() => {
      const focused = document.activeElement;
      if (!focused || focused === document.body) return "";
      const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(focused);
      const shown = (outlineStyle !== "none" && outlineWidth !== "0px") || boxShadow !== "none";
      return shown ? "" : focused.outerHTML.slice(0, 200);
    });
    expect(hidden, "focus that nobody sees").toBe("");
    if (await wanted.evaluate((element) => element === document.activeElement)) return;
  }
  throw new Error(`no Tab leads to the ${role} ${name}`);
}

test("from sign-in to a sync", async ({ another }) => {
  const operator = await another("signed out");
  const { page } = operator;
  await page.goto("/sign-in");
  await tabTo(page, "textbox", "Email");
  await page.keyboard.type(owner.email);
  await page.keyboard.press("Tab");
  await page.keyboard.type(password);
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL("/");
  await tabTo(page, "link", "Skip to main content");
  await tabTo(page, "link", "Applications");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL("/applications");
  await tabTo(page, "link", "Microsoft 365");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/assignments$/);
  await tabTo(page, "link", "Provisioning");
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/provisioning$/);
  await tabTo(page, "button", "Sync Users");
  await page.keyboard.press("Enter");
  await operator.runReaches("Needs your answer");
  await tabTo(page, "button", "Apply");
  await page.keyboard.press("Enter");
  await operator.runReaches("Succeeded");
});
