// Each story gets a portal of its own, on data that an earlier person left, and a watch over its pages.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Browser, type BrowserContext, expect, type Page, test as base } from "@playwright/test";
import { Operator } from "./operator";
import { Person } from "./person";
import { Portal } from "./portal";
import type { Practice } from "./practice";
import { type Stage, type StageName, prepare } from "./stages";
import { Watch } from "./watch";

interface Fixtures {
  /** What has happened before the story: nothing, an owner, people, an application, a connection. */
  stage: StageName;
  /** How browsers reach the portal. */
  host: "127.0.0.1" | "localhost";
  portal: Portal;
  practice: Practice;
  watch: Watch;
  /** The person at the keyboard, signed in when the stage has an owner. */
  operator: Operator;
  /** Opens another browser, as somebody else or signed out. */
  another: (signedIn?: "signed in" | "signed out") => Promise<Operator>;
  /** A user in a browser of their own. */
  person: Person;
}

interface WorkerFixtures {
  stages: (name: StageName) => Promise<Stage>;
}

export const test = base.extend<Fixtures, WorkerFixtures>({
  stages: [
    async ({ browser }, use) => {
      const folder = mkdtempSync(path.join(tmpdir(), "signpost-stages-"));
      const made = new Map<StageName, Promise<Stage>>();
      await use((name) => prepare(name, folder, made, browser));
      rmSync(folder, { recursive: true, force: true });
    },
    { scope: "worker", timeout: 180_000 },
  ],
  stage: ["people", { option: true }],
  host: ["127.0.0.1", { option: true }],
  portal: [
    async ({ stage, stages, host }, use, info) => {
      const portal = await Portal.start((await stages(stage)).data, host);
      await use(portal);
      if (info.status !== info.expectedStatus)
        await info.attach("portal.log", { body: portal.log, contentType: "text/plain" });
      await portal.stop();
    },
    { timeout: 180_000 },
  ],
  practice: ({ portal }, use) => use(portal.practice),
  baseURL: ({ portal }, use) => use(portal.url),
  storageState: async ({ stage, stages }, use) => use((await stages(stage)).session),
  watch: async ({ context }, use) => {
    const watch = new Watch(context);
    await use(watch);
    expect(watch.unexpected, "problems on the pages").toEqual([]);
  },
  operator: async ({ page, portal, watch }, use) => use(new Operator(page, portal, watch)),
  person: async ({ another, portal }, use) => use(new Person((await another("signed out")).page, portal)),
  another: async ({ browser, portal, stage, stages, javaScriptEnabled }, use) => {
    const opened: [BrowserContext, Watch][] = [];
    await use(async (signedIn = "signed in") => {
      const storageState = signedIn === "signed in" ? (await stages(stage)).session : undefined;
      const context = await browser.newContext({ baseURL: portal.url, storageState, javaScriptEnabled });
      const watch = new Watch(context);
      opened.push([context, watch]);
      return new Operator(await context.newPage(), portal, watch);
    });
    for (const [context, watch] of opened) {
      await context.close();
      expect(watch.unexpected, "problems on the pages of another browser").toEqual([]);
    }
  },
});

export { ada, bySecondFactor, byPassword, Person } from "./person";
export { audit } from "./audit";
export { owner, password } from "./operator";
export { setupCode } from "./portal";
export { expect, type Browser, type Page };
