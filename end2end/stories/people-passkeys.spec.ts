// Passkeys, as one step and as the second. Only a script can ask a device for one.
import { ada, audit, bySecondFactor, expect, test } from "../fixtures";
import { choosePassword, federate, invite } from "../people";

test.use({ stage: "synced", host: "localhost" });

test("@javascript a passkey is made on the way in, then signs in without a password, and as the second step", async ({
  operator,
  person,
}) => {
  test.setTimeout(240_000);
  await federate(operator, "saml", "Required");
  await choosePassword(person, await invite(operator));
  await person.device();
  await person.startAtMicrosoft();
  await person.givePassword();
  await expect(person.heading("Set up a second factor")).toBeVisible();
  await person.press("Use a passkey instead");
  await expect(person.heading("Set up a passkey")).toBeVisible();
  await audit(person.page);
  await person.press("Use an app instead");
  await expect(person.heading("Set up a second factor")).toBeVisible();
  await person.press("Use a passkey instead");
  await person.press("Make passkey");
  await expect(person.heading("Keep your recovery codes")).toBeVisible();
  await person.page.getByRole("link", { name: "Continue" }).click();
  await person.arrives(bySecondFactor);

  // Without a password, and Microsoft is told of two factors.
  await person.startAtMicrosoft({ fresh: true });
  await person.press("Sign in with a passkey");
  await expect(person.heading("Sign in with a passkey")).toBeVisible();
  await audit(person.page);
  await person.press("Sign in another way");
  await person.press("Sign in with a passkey");
  await person.press("Use passkey");
  await person.arrives(bySecondFactor);

  // After the password.
  await person.startAtMicrosoft({ fresh: true });
  await person.givePassword();
  await expect(person.heading("One more step")).toBeVisible();
  await audit(person.page);
  await person.press("Sign in with a passkey");
  await person.press("Use passkey");
  await person.arrives(bySecondFactor);
});

test("@javascript a device without the passkey signs nobody in", async ({ operator, person }) => {
  await federate(operator, "wsFed", "Optional");
  await choosePassword(person, await invite(operator));
  await person.device();
  await person.startAtMicrosoft();
  await person.press("Sign in with a passkey");
  await person.press("Use passkey");
  await expect(person.page.getByRole("status").filter({ hasText: "The device gave no passkey" })).toBeVisible();
  await person.press("Sign in another way");
  await person.givePassword();
  await person.arrives();
});

test("@javascript a user adds a passkey on their own page and takes it away again", async ({ operator, person }) => {
  await operator.signIn();
  await choosePassword(person, await invite(operator));
  await person.givePassword();
  await person.device();
  await person.page.getByRole("link", { name: "Second factor" }).click();
  const card = person.page.getByRole("region", { name: "Passkeys" });
  await card.getByLabel("Current password").fill(ada.password);
  await person.press("Add passkey");
  await card.getByLabel("Name of the passkey").fill("Ada's laptop");
  await audit(person.page);
  await person.press("Make passkey");
  await expect(person.page.getByRole("heading", { level: 1, name: "Second factor" })).toBeVisible();
  await person.page.getByRole("link", { name: "Continue" }).click();
  await person.page.getByRole("link", { name: "Second factor" }).click();
  await expect(card).toContainText("Ada's laptop");
  await audit(person.page);
  await person.press("Remove Ada's laptop");
  await expect(card.getByLabel("Current password")).toHaveAccessibleDescription(/not your current password/);
  await card.getByLabel("Current password").fill(ada.password);
  await person.press("Remove Ada's laptop");
  await expect(card).not.toContainText("Ada's laptop");
});
