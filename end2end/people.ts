// What stories about users begin with: a domain that goes to Signpost, and Ada with a way in.
import { expect } from "@playwright/test";
import type { Mailbox } from "./mailbox";
import type { Operator } from "./operator";
import { ada, type Person } from "./person";

export type Policy = "Off" | "Optional" | "Required";

/** The domain goes to Signpost; whoever is told by `policy` owes a second factor. */
export async function federate(operator: Operator, protocol: "wsFed" | "saml", policy: Policy): Promise<void> {
  await operator.signIn();
  await operator.openApplication();
  await operator.tab("Sign-on");
  await operator.page.getByRole("radio", { name: policy }).check();
  await operator.field("Days a device is remembered").fill("7");
  await operator.field("Heading of the login page").fill("Contoso");
  await operator.press("Save sign-on settings");
  await expect(operator.status("The sign-on settings are saved")).toBeVisible();
  const id = new URL(operator.page.url()).pathname.split("/")[2];
  await operator.portal.practice.federate("contoso.example", `${operator.portal.url}/federation/${id}`, protocol);
}

/** A link with which Ada sets her first password. */
export async function invite(operator: Operator): Promise<string> {
  await operator.openUser(ada.name);
  await operator.press("Invite");
  const link = await operator.page.locator("#one-time-link").textContent();
  await operator.page.reload();
  await expect(operator.page.locator("#one-time-link"), "shown once").toHaveCount(0);
  return link ?? "";
}

/** Ada sets her password by a link. */
export async function choosePassword(person: Person, link: string, password = ada.password): Promise<void> {
  await person.page.goto(link);
  await person.field("New password").fill(password);
  await person.field("Repeat the new password").fill(password);
  await person.press("Save password");
}

/** The owner names the mail server. */
export async function setUpMail(operator: Operator, mailbox: Mailbox): Promise<void> {
  await operator.page.goto("/settings/mail");
  await operator.field("Server").fill("localhost");
  await operator.field("Port").fill(String(mailbox.port));
  await operator.page.getByRole("combobox", { name: "Encryption" }).selectOption("none");
  await operator.field("Sender").fill("Contoso <signpost@contoso.example>");
  await operator.press("Save mail settings");
  await expect(operator.status("The mail settings are saved")).toBeVisible();
}
