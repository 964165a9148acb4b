// Every page of the portal, by the portal's own table of routes: a new page is audited without being listed here.
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { expect } from "@playwright/test";
import type { Operator } from "./operator";

export interface PageRoute {
  /** As the router knows it: `/users/{id}`. */
  route: string;
  /** Who may open it: `PUBLIC`, a user (`USER`), or an operator with a role. */
  access: string;
}

/** Routes that answer programs, or with a file. */
const noPages = [
  /^\/assets\//,
  /^\/favicon\.ico$/,
  /^\/(healthz|readyz|metrics)$/,
  /^\/federation\//,
  /\/events$/,
  /\.(csv|json|xml|ps1)$/,
  /\/\{(script|file)\}$/,
];

/** The entries of `app::access`, in the tables beside the pages. The server refuses what has no entry there. */
export function pageRoutes(): PageRoute[] {
  const folder = path.resolve(import.meta.dirname, "../app/src");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".rs"));
  const entries = files.flatMap((file) => [
    ...readFileSync(path.join(folder, file), "utf8").matchAll(/\(\s*"GET",\s*"([^"]+)",\s*(\w+),?\s*\)/g),
  ]);
  return entries
    .map(([, route, access]) => ({ route, access }))
    .filter(({ route }) => !noPages.some((what) => what.test(route)));
}

/** What the parameters of routes stand for, by what stands before them. */
type Ids = Record<string, string>;

/** One of each thing that pages are about, found by following links as an operator does. */
export async function findIds(operator: Operator): Promise<Ids> {
  const { page } = operator;
  const here = () => new URL(page.url()).pathname.split("/").at(-1) ?? "";
  const main = page.getByRole("main");
  const ids: Ids = { "{check}": "security_defaults" };
  await operator.openApplication();
  ids["/applications/{id}"] = new URL(page.url()).pathname.split("/")[2];
  await operator.openUser("Ada Kaya");
  ids["/users/{id}"] = ids["{user}"] = here();
  await operator.menu("Groups");
  await main.getByRole("link", { name: "Everyone", exact: true }).click();
  ids["/groups/{id}"] = here();
  await operator.menu("Runs");
  await main.getByRole("table").getByRole("rowheader").getByRole("link").first().click();
  await expect(page).toHaveURL(/\/runs\/[^/]+$/);
  ids["/runs/{id}"] = here();
  await operator.menu("Import");
  await main.getByRole("table").getByRole("rowheader").getByRole("link").first().click();
  await expect(page).toHaveURL(/\/import\/[^/]+$/);
  ids["/import/{id}"] = here();
  await operator.menu("Settings");
  await main.getByRole("link", { name: "Ada Nilsson" }).click();
  await expect(page).toHaveURL(/\/settings\/operators\/[^/]+$/);
  ids["/settings/operators/{id}"] = here();
  return ids;
}

/** What a page cannot do without, beyond its path. */
const queries: Record<string, (ids: Ids) => string> = {
  "/users/add-to-group": (ids) => `?users=${ids["/users/{id}"]}`,
};

/** An address of the route. */
export function addressOf(route: string, ids: Ids): string {
  let address = "";
  for (const part of route.split("/").slice(1)) {
    const name = `${address.replace(/[0-9a-f]{8}-[0-9a-f-]+/g, "")}/${part}`;
    const id = part.startsWith("{") ? (ids[name] ?? ids[part]) : part;
    if (id === undefined) throw new Error(`pages.ts does not know what ${part} of ${route} is: say it in findIds`);
    address += `/${id}`;
  }
  return (address || "/") + (queries[route]?.(ids) ?? "");
}
