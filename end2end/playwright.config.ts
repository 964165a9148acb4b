import { execSync } from "node:child_process";
import { defineConfig } from "@playwright/test";

const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/** The browser of this machine; without one, the one that Playwright brings. */
const browser = (() => {
  const look = names.map((name) => `command -v ${name}`).join(" || ");
  try {
    return execSync(look, { shell: "/bin/sh", encoding: "utf8" }).trim();
  } catch {
    return undefined;
  }
})();

export const options = {
  launchOptions: {
    executablePath: browser,
    // The first is needed as root, the others keep the browser from calling home.
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  },
  viewport: { width: 1440, height: 900 },
  locale: "en-GB",
  timezoneId: "Europe/Lisbon",
  actionTimeout: 15_000,
  navigationTimeout: 30_000,
  trace: "retain-on-failure" as const,
};

export default defineConfig({
  testDir: "stories",
  forbidOnly: true,
  retries: 0,
  workers: 2,
  fullyParallel: false,
  timeout: 120_000,
  expect: { timeout: 15_000 },
  reporter: process.env.CI ? [["list"]] : [["list"], ["html", { open: "never" }]],
  use: options,
  projects: [
    { name: "javascript" },
    // Stories about what only a script can do say so in their title.
    { name: "no-javascript", use: { javaScriptEnabled: false }, grepInvert: /@javascript/ },
  ],
});
