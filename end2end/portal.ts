// The real binary: one portal with its practice tenant, on free ports and a folder of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { Practice } from "./practice";

export const setupCode = "open-sesame";

const binary = process.env.SIGNPOST_BIN ?? path.resolve(import.meta.dirname, "../target/debug/signpost");
const startLimit = 30_000;

export class Portal {
  private constructor(
    readonly url: string,
    readonly practice: Practice,
    private readonly process: ChildProcess,
    private readonly folder: string,
    private readonly lines: string[],
  ) {}

  /** Starts on a copy of the data in `from`, or on nothing. Browsers make passkeys for a host with a name only. */
  static async start(from?: string, host: "127.0.0.1" | "localhost" = "127.0.0.1"): Promise<Portal> {
    const folder = mkdtempSync(path.join(tmpdir(), "signpost-end2end-"));
    if (from) cpSync(from, folder, { recursive: true });
    const [listen, practice] = await Promise.all([freeAddress(), freeAddress()]);
    const url = `http://${listen.replace("127.0.0.1", host)}`;
    const child = spawn(binary, ["serve", "--practice", "--listen", listen, "--practice-listen", practice], {
      env: {
        PATH: process.env.PATH,
        RUST_BACKTRACE: "1",
        SIGNPOST_DATA_DIR: folder,
        SIGNPOST_SETUP_CODE: setupCode,
        SIGNPOST_PUBLIC_URL: url,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const lines: string[] = [];
    child.stdout.on("data", (text) => lines.push(String(text)));
    child.stderr.on("data", (text) => lines.push(String(text)));
    child.on("error", (error) => lines.push(`${binary}: ${error.message}\n`));
    const portal = new Portal(url, new Practice(`http://${practice}`), child, folder, lines);
    await portal.ready();
    return portal;
  }

  /** What the process has said so far. */
  get log(): string {
    return this.lines.join("");
  }

  /** Runs another command of the binary on the same data. */
  async command(args: string[], input = ""): Promise<string> {
    const child = spawn(binary, args, {
      env: { PATH: process.env.PATH, SIGNPOST_DATA_DIR: this.folder },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let said = "";
    child.stdout.on("data", (text) => (said += text));
    child.stderr.on("data", (text) => (said += text));
    child.stdin.end(input);
    const code = await new Promise((resolve) => child.on("close", resolve));
    if (code !== 0) throw new Error(`signpost ${args.join(" ")} ended with ${code}:\n${said}`);
    return said;
  }

  /** Stops it in order and keeps its data in `to`. */
  async keep(to: string): Promise<void> {
    await this.end("SIGTERM");
    cpSync(this.folder, to, { recursive: true });
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Kills it and forgets its data. */
  async stop(): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = new Promise((resolve) => this.process.once("exit", resolve));
    this.process.kill(signal);
    await ended;
  }

  private async ready(): Promise<void> {
    const deadline = Date.now() + startLimit;
    while (Date.now() < deadline && this.process.exitCode === null) {
      const answer = await fetch(`${this.url}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await this.stop();
    throw new Error(`the portal did not start:\n${this.log}`);
  }
}

function freeAddress(): Promise<string> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(`127.0.0.1:${typeof address === "object" && address?.port}`));
    });
  });
}
