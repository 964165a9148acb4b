import path from "node:path";
import { test } from "../fixtures";

test.use({ stage: "synced" });

test("the overview after the first sync", async ({ page }) => {
  await page.goto("/");
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: path.join(import.meta.dirname, "overview.png"), animations: "disabled" });
});
