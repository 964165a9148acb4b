// Forgotten passwords and mailed invitations, through a mail server on this machine.
import { ada, audit, expect, test } from "../fixtures";
import { Mailbox } from "../mailbox";
import { choosePassword, federate, invite, setUpMail } from "../people";

test.use({ stage: "synced", host: "localhost" });

/** The link of a letter. */
function link(text: string): string {
  return /https?:\/\/\S+\/welcome\/\w+/.exec(text)?.[0] ?? "";
}

test("who forgot their password has a link mailed, and whoever asks gets the same answer", async ({ operator, person }) => {
  const mailbox = await Mailbox.open();
  await federate(operator, "wsFed", "Off");
  await setUpMail(operator, mailbox);
  await choosePassword(person, await invite(operator));

  await person.startAtMicrosoft();
  await person.page.getByRole("link", { name: "Forgot your password?" }).click();
  await expect(person.heading("Forgot your password?")).toBeVisible();
  await audit(person.page);
  await person.field("User name").fill("nobody@contoso.example");
  await person.press("Send link");
  const answer = person.page.getByRole("status").filter({ hasText: "is on its way" });
  const toNobody = await answer.textContent();
  await person.field("User name").fill(ada.userName);
  await person.press("Send link");
  await expect(answer).toHaveText(toNobody ?? "");
  await audit(person.page);

  const letter = await mailbox.next(ada.userName);
  expect(letter.text).toContain("If you did not ask for this");
  await person.page.goto(link(letter.text));
  await expect(person.heading("Choose a new password")).toBeVisible();
  await audit(person.page);
  await choosePassword(person, link(letter.text), "kestrel lantern river");
  await person.startAtMicrosoft();
  await person.givePassword("kestrel lantern river");
  await person.arrives();
  await mailbox.close();
});

test("an operator mails the invitation and sees that it went", async ({ operator, person }) => {
  const mailbox = await Mailbox.open();
  await operator.signIn();
  await setUpMail(operator, mailbox);
  await audit(operator.page);
  await operator.field("Send to").fill("ops@contoso.example");
  await operator.press("Send test mail");
  await expect(operator.status("The test mail is on its way")).toBeVisible();
  await mailbox.next("ops@contoso.example");

  await operator.openUser(ada.name);
  await audit(operator.page);
  await operator.press("Mail the invitation");
  await expect(operator.status("gets a link by mail")).toBeVisible();
  const letter = await mailbox.next(ada.userName);
  await choosePassword(person, link(letter.text));
  await expect(person.page.getByRole("status").filter({ hasText: "Your password is saved" })).toBeVisible();
  await expect(async () => {
    await operator.page.goto("/settings/mail");
    await expect(operator.page.getByRole("row", { name: /ada\.kaya.*Invitation.*Sent/ })).toBeVisible({ timeout: 500 });
  }).toPass({ timeout: 20_000 });
  await audit(operator.page);
  await mailbox.close();
});

test("a wrong mail setting stands at its field", async ({ operator, page }) => {
  await operator.signIn();
  await page.goto("/settings/mail");
  await operator.field("Server").fill("smtp contoso");
  await page.getByRole("combobox", { name: "Encryption" }).selectOption("none");
  await operator.field("Sender").fill("nobody");
  await operator.press("Save mail settings");
  await expect(operator.field("Server")).toHaveAccessibleDescription(/Enter the name of a mail server/);
  await expect(operator.field("Sender")).toHaveAccessibleDescription(/Enter a mail address/);
  await expect(operator.field("Server")).toHaveValue("smtp contoso");
  await audit(page);
});
