import { defineConfig } from "@playwright/test";
import { options } from "./playwright.config";

// `npm run screenshots` takes the pictures of the README anew; it is no test.
export default defineConfig({
  testDir: "screenshots",
  testMatch: "*.shot.ts",
  outputDir: "test-results/screenshots",
  workers: 1,
  timeout: 240_000,
  reporter: "list",
  use: { ...options, viewport: { width: 1280, height: 860 }, colorScheme: "light" },
});
