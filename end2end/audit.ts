// Accessibility and fit of the page as it stands: axe in light and dark, wide and narrow.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Page, expect, test } from "@playwright/test";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const widths = [
  { width: 1440, height: 900 },
  { width: 320, height: 640 },
];

/** No violation of WCAG 2.2 AA nor of good practice, no id twice, and no sideways scroll, in any look. */
export async function audit(page: Page, after: "stop" | "go on" = "stop"): Promise<void> {
  await test.step(`audit ${new URL(page.url()).pathname}`, async () => {
    const before = page.viewportSize();
    // axe runs as a script of the page. Without scripts the document is the same: its fit is measured.
    const scripts = test.info().project.use.javaScriptEnabled !== false;
    const found = await doubledIds(page);
    for (const size of widths) {
      await page.setViewportSize(size);
      for (const colorScheme of scripts ? (["light", "dark"] as const) : []) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        found.push(...(await violations(page, `${size.width} px, ${colorScheme}`)));
      }
      found.push(...(await sidewaysScroll(page, size.width)));
    }
    await page.emulateMedia({ colorScheme: null, reducedMotion: null });
    if (before) await page.setViewportSize(before);
    const judge = after === "stop" ? expect : expect.soft;
    judge(found, page.url()).toEqual([]);
  });
}

async function violations(page: Page, look: string): Promise<string[]> {
  const known = await page.evaluate(() => "axe" in globalThis);
  if (!known) await page.evaluate(axe);
  return page.evaluate(
    async ({ rules, look }) => {
      const { axe } = globalThis as any;
      const { violations } = await axe.run({ runOnly: rules });
      return violations.flatMap(({ id, nodes }: any) =>
        nodes.map((node: any) => `${look}: ${id}: ${node.target}: ${node.failureSummary} ${node.html.slice(0, 200)}`),
      );
    },
    { rules, look },
  );
}

/** Labels and errors are tied to fields by ids: one of two fields of the same id would have none. */
function doubledIds(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const ids = [...document.querySelectorAll("[id]")].map((element) => element.getAttribute("id") ?? "");
    return ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `the id ${id} stands there twice`);
  });
}

async function sidewaysScroll(page: Page, width: number): Promise<string[]> {
  const { scroll, client, wide } = await page.evaluate(() => {
    const { scrollWidth: scroll, clientWidth: client } = document.documentElement;
    const scrolls = (element: Element | null): boolean =>
      !!element && (getComputedStyle(element).overflowX !== "visible" || scrolls(element.parentElement));
    const sticksOut = (element: Element) =>
      element.getBoundingClientRect().right > client + 1 && !scrolls(element.parentElement);
    const wide = [...document.body.querySelectorAll("*")].filter(sticksOut).slice(0, 3);
    return { scroll, client, wide: wide.map((element) => element.outerHTML.slice(0, 160)) };
  });
  return scroll > client ? [`${width} px: ${scroll} px wide: ${wide.join(" … ")}`] : [];
}
