// Points in a portal's life that stories start from. Each is reached once per worker, through the pages, and copied.
import path from "node:path";
import type { Browser, BrowserContextOptions } from "@playwright/test";
import { Operator } from "./operator";
import { Portal } from "./portal";
import { Watch } from "./watch";

/** `people`: the sample is imported. `application`: each of them is assigned Microsoft 365. `connected`: to the practice tenant. `synced`: once. */
export type StageName = "fresh" | "owner" | "people" | "application" | "connected" | "synced";

export interface Stage {
  data?: string;
  session?: Exclude<BrowserContextOptions["storageState"], string>;
}

const steps: Record<StageName, { after?: StageName; act: (operator: Operator) => Promise<void> }> = {
  fresh: { act: async () => {} },
  owner: { after: "fresh", act: (operator) => operator.setUp() },
  people: { after: "owner", act: (operator) => operator.importSample() },
  application: {
    after: "people",
    act: async (operator) => {
      await operator.addApplication("Microsoft 365", "Assigned users and groups");
      await operator.assignAll("contoso.example");
    },
  },
  connected: { after: "application", act: (operator) => operator.connect() },
  synced: { after: "connected", act: (operator) => operator.syncUsers() },
};

/** The stage `name`, made now unless it was made before. */
export function prepare(
  name: StageName,
  folder: string,
  made: Map<StageName, Promise<Stage>>,
  browser: Browser,
): Promise<Stage> {
  const before = made.get(name);
  if (before) return before;
  const making = make(name, folder, made, browser);
  made.set(name, making);
  return making;
}

async function make(name: StageName, folder: string, made: Map<StageName, Promise<Stage>>, browser: Browser) {
  const { after, act } = steps[name];
  if (!after) return {};
  const start = await prepare(after, folder, made, browser);
  const portal = await Portal.start(start.data);
  const context = await browser.newContext({ baseURL: portal.url, storageState: start.session });
  try {
    const watch = new Watch(context);
    await act(new Operator(await context.newPage(), portal, watch));
    const session = await context.storageState();
    await context.close();
    const data = path.join(folder, name);
    await portal.keep(data);
    return { data, session };
  } catch (error) {
    console.error(`the stage ${name} was not reached; the portal said:\n${portal.log.slice(-4000)}`);
    throw error;
  } finally {
    await context.close();
    await portal.stop();
  }
}
