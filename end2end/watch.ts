// What must not happen on any page while a story runs.
import type { BrowserContext, Page } from "@playwright/test";

/** Console errors (broken content security included), page errors, failed requests and refused answers. */
export class Watch {
  readonly problems: string[] = [];
  private readonly expected: RegExp[] = [];

  constructor(context: BrowserContext) {
    context.on("page", (page) => this.follow(page));
    context.on("requestfailed", (request) => {
      const why = request.failure()?.errorText ?? "";
      // Leaving a page ends what it still loads, and a download is no page.
      if (why !== "net::ERR_ABORTED") this.add(`request failed: ${request.method()} ${request.url()}: ${why}`);
    });
    context.on("response", (answer) => {
      if (answer.status() >= 400) this.add(`${answer.status()}: ${answer.request().method()} ${answer.url()}`);
    });
  }

  /** The story leads here on purpose: what matches is no problem. */
  expect(what: RegExp): void {
    this.expected.push(what);
  }

  /** What nobody expected. */
  get unexpected(): string[] {
    return this.problems.filter((problem) => !this.expected.some((what) => what.test(problem)));
  }

  private follow(page: Page): void {
    page.on("pageerror", (error) => this.add(`page error: ${error.message}`));
    page.on("console", (message) => {
      const { type, text } = { type: message.type(), text: message.text() };
      // The answer itself is noted above, with its address.
      if (text.startsWith("Failed to load resource")) return;
      if (type === "error" || type === "warning") this.add(`console ${type}: ${text}`);
    });
  }

  private add(problem: string): void {
    this.problems.push(problem);
  }
}
