// A user's own page: where they are signed in, what they prove themselves with.
import { ada, audit, expect, Person, test } from "../fixtures";
import { choosePassword, invite } from "../people";
import { totp } from "../totp";

test.use({ stage: "people", host: "localhost" });

test("a user sees their sessions, ends the others and changes their password", async ({ operator, person, another }) => {
  await operator.signIn();
  await choosePassword(person, await invite(operator));
  await person.givePassword();
  await expect(person.heading(ada.name)).toBeVisible();
  const phone = new Person((await another("signed out")).page, person.portal);
  await phone.page.goto("/account");
  await phone.page.getByRole("link", { name: "your sign-in page" }).click();
  await phone.givePassword();
  await expect(phone.heading(ada.name)).toBeVisible();

  await person.page.goto("/account");
  await expect(person.page).toHaveURL("/me");
  await audit(person.page);
  const sessions = person.page.getByRole("region", { name: "Where you are signed in" });
  await expect(sessions.getByRole("listitem")).toHaveCount(2);
  await person.press("End other sessions");
  await expect(sessions.getByRole("listitem")).toHaveCount(1);
  await phone.page.goto("/account");
  await expect(phone.page).toHaveURL(/\/sign-in/);

  await person.page.getByRole("link", { name: "Change password" }).click();
  await audit(person.page);
  await person.field("Current password").fill("not this one at all");
  await person.field("New password").fill("kestrel lantern river");
  await person.field("Repeat the new password").fill("kestrel lantern river");
  await person.press("Change password");
  await expect(person.field("Current password")).toHaveAccessibleDescription(/not your current password/);
  await person.field("Current password").fill(ada.password);
  await person.field("New password").fill("kestrel lantern river");
  await person.field("Repeat the new password").fill("kestrel lantern river");
  await person.press("Change password");
  await expect(person.page.getByRole("status").filter({ hasText: "Your password was changed" })).toBeVisible();

  await person.press("Sign out");
  await expect(person.heading("Signed out")).toBeVisible();
  await audit(person.page);
});

test("a user sets up an app, makes new recovery codes and turns the app off", async ({ operator, person }) => {
  await operator.signIn();
  await choosePassword(person, await invite(operator));
  await person.givePassword();
  await person.page.getByRole("link", { name: "Second factor" }).click();
  await audit(person.page);
  await person.press("Set up authenticator app");
  const key = await person.field("Or type this key into the app").inputValue();
  const app = person.page.getByRole("region", { name: "Authenticator app" });
  await app.getByLabel("Verification code").fill(totp(key));
  await app.getByLabel("Current password").fill(ada.password);
  await person.press("Turn on");
  await expect(person.page.locator("#codes")).toBeVisible();
  await audit(person.page);
  await person.page.getByRole("link", { name: "Continue" }).click();
  await expect(person.page.getByRole("region", { name: "Signing in" })).toContainText("Recovery codes left: 10");
  await person.page.getByRole("link", { name: "Second factor" }).click();
  const codes = person.page.getByRole("region", { name: "Recovery codes" });
  await codes.getByLabel("Current password").fill(ada.password);
  await person.press("Make new recovery codes");
  await expect(person.page.locator("#codes")).toBeVisible();
  await person.page.getByRole("link", { name: "Continue" }).click();
  await person.page.getByRole("link", { name: "Second factor" }).click();
  await app.getByLabel("Current password").fill(ada.password);
  await person.press("Turn off authenticator app");
  await expect(person.alert("The authenticator app is off")).toBeVisible();
  await audit(person.page);
});
