// A mail server on this machine that keeps what it is given.
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

export interface Letter {
  to: string;
  text: string;
}

export class Mailbox {
  private readonly letters: Letter[] = [];
  private readonly waiting: (() => void)[] = [];

  private constructor(private readonly server: Server) {}

  static async open(): Promise<Mailbox> {
    const server = createServer((socket) => mailbox.talk(socket));
    const mailbox = new Mailbox(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return mailbox;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** The newest letter to `to`, as soon as there is one more than `read`. */
  async next(to: string, read = 0): Promise<Letter> {
    for (;;) {
      const found = this.letters.filter((letter) => letter.to === to);
      if (found.length > read) return found[found.length - 1];
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  async close(): Promise<void> {
    await new Promise((resolve) => this.server.close(resolve));
  }

  private talk(socket: Socket): void {
    let to = "";
    let text: string[] | undefined;
    let rest = "";
    const say = (line: string) => socket.write(`${line}\r\n`);
    say("220 mailbox");
    socket.on("error", () => socket.destroy());
    socket.on("data", (bytes) => {
      const lines = (rest + bytes.toString("utf8")).split("\r\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (text && line !== ".") text.push(line);
        else if (text) {
          this.keep({ to, text: text.join("\n").replaceAll("=\n", "").replaceAll("=3D", "=") });
          text = undefined;
          say("250 kept");
        } else if (line.startsWith("RCPT TO:")) {
          to = line.slice(line.indexOf("<") + 1, line.indexOf(">"));
          say("250 yes");
        } else if (line === "DATA") {
          text = [];
          say("354 go on");
        } else if (line === "QUIT") {
          say("221 bye");
          socket.end();
        } else say("250 yes");
      }
    });
  }

  private keep(letter: Letter): void {
    this.letters.push(letter);
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
