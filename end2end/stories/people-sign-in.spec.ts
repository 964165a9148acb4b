// Users sign in to Microsoft 365: from Microsoft's page to Signpost's, and back in.
import { ada, audit, byPassword, bySecondFactor, expect, Person, test } from "../fixtures";
import { choosePassword, federate, invite } from "../people";
import { totp } from "../totp";

test.use({ stage: "synced", host: "localhost" });

/** Sets up the app that the page asks for; returns its key. */
async function enrolApp(person: Person): Promise<string> {
  await expect(person.heading("Set up a second factor")).toBeVisible();
  await audit(person.page);
  await person.press("Go on");
  const key = await person.field("Or type this key into the app").inputValue();
  await audit(person.page);
  await person.field("Verification code").fill("000000");
  await person.press("Turn on and sign in");
  await expect(person.field("Verification code")).toHaveAccessibleDescription(/not the code/);
  await person.field("Verification code").fill(totp(key));
  await person.send("Turn on and sign in");
  return key;
}

for (const protocol of ["wsFed", "saml"] as const) {
  test(`from the invitation to Microsoft 365 with a second factor, by ${protocol}`, async ({ operator, person, another }) => {
    test.setTimeout(240_000);
    await federate(operator, protocol, "Required");
    const link = await invite(operator);

    await person.page.goto(link);
    await expect(person.heading("Choose your password")).toBeVisible();
    await audit(person.page);
    await choosePassword(person, link, "Password1234");
    await expect(person.field("New password")).toHaveAccessibleDescription(/too easy to guess/);
    await choosePassword(person, link);
    await expect(person.page.getByRole("status").filter({ hasText: "Your password is saved" })).toBeVisible();
    await person.page.goto(link);
    await expect(person.heading("This link does not work any more")).toBeVisible();
    await audit(person.page);

    await person.startAtMicrosoft();
    // Microsoft's own page may post itself first.
    await expect(person.field("Password")).toBeVisible();
    await audit(person.page);
    await expect(person.page.getByRole("main")).toContainText("Contoso");
    await person.givePassword();
    const key = await enrolApp(person);
    await expect(person.heading("Keep your recovery codes")).toBeVisible();
    await audit(person.page);
    const codes = (await person.page.locator("#codes").textContent())?.trim().split(/\s+/) ?? [];
    expect(codes).toHaveLength(10);
    await person.leave(() => person.page.getByRole("link", { name: "Continue" }).click());
    await person.arrives(bySecondFactor);

    // The live session answers without asking, and tells the truth about how it began.
    await person.startAtMicrosoft();
    await person.arrives(bySecondFactor);

    // Another browser, which is remembered after the code.
    const phone = new Person((await another("signed out")).page, person.portal);
    await phone.startAtMicrosoft();
    await phone.givePassword("not the password");
    await expect(phone.alert("The user name or password is not correct")).toBeVisible();
    await audit(phone.page);
    await phone.givePassword();
    await expect(phone.heading("One more step")).toBeVisible();
    await audit(phone.page);
    await phone.page.getByLabel("Do not ask on this device for 7 days").check();
    await phone.giveCode("000000");
    await expect(phone.field("Verification code")).toHaveAccessibleDescription(/not correct/);
    await phone.page.getByLabel("Do not ask on this device for 7 days").check();
    await phone.giveCode(totp(key, 1));
    await phone.arrives(bySecondFactor);
    await phone.startAtMicrosoft({ fresh: true });
    await phone.givePassword();
    await phone.arrives(byPassword);
    // Microsoft insists: the session steps up, by a recovery code since the app's was used.
    await phone.startAtMicrosoft({ multiFactor: true });
    await expect(phone.heading("One more step")).toBeVisible();
    await phone.page.getByText("Use a recovery code").click();
    await phone.field("Recovery code").fill(codes[0]);
    await phone.send("Sign in with a recovery code");
    await phone.arrives(bySecondFactor);
  });
}

test("signing out at Microsoft ends the session here", async ({ operator, person }) => {
  await federate(operator, "wsFed", "Off");
  await choosePassword(person, await invite(operator));
  await person.startAtMicrosoft();
  await person.givePassword();
  await person.arrives(byPassword);
  await person.page.goto(`${person.portal.practice.page}sign-in`);
  await person.field("User principal name").fill(ada.userName);
  await person.send("Sign out instead");
  await expect(person.heading(/Signed out/)).toBeVisible();
  await person.startAtMicrosoft();
  await expect(person.heading("Sign in")).toBeVisible();
});

test("many wrong passwords make one wait, and say so without saying who exists", async ({ operator, person }) => {
  await federate(operator, "wsFed", "Off");
  await person.startAtMicrosoft();
  const tooMany = person.alert("Too many tries");
  await expect(async () => {
    await person.givePassword("not the password", "nobody@contoso.example");
    await expect(tooMany).toBeVisible({ timeout: 100 });
  }).toPass({ intervals: [0], timeout: 60_000 });
  await audit(person.page);
  // Another user of the same network is not held up by it.
  await choosePassword(person, await invite(operator));
  await person.startAtMicrosoft();
  await person.givePassword();
  await person.arrives();
});

test("the practice tenant says in plain words what Microsoft would have refused", async ({ operator, person, practice }) => {
  test.setTimeout(240_000);
  // Once the domain is federated, Microsoft would refuse this too.
  const account = await practice.account(ada.userName);
  await practice.setAccount({ id: account?.id, onPremisesImmutableId: "somebodyElse" });
  await federate(operator, "saml", "Off");
  await choosePassword(person, await invite(operator));
  await person.startAtMicrosoft();
  await person.givePassword();
  await expect(person.heading("Microsoft would have refused this sign-in")).toBeVisible();
  await expect(person.page.getByRole("main")).toContainText("AADSTS51004");
  await expect(person.page.getByRole("main")).toContainText(/No account has the onPremisesImmutableId/);
});

test("a user without the application is told so", async ({ operator, person }) => {
  test.setTimeout(240_000);
  await federate(operator, "wsFed", "Off");
  await choosePassword(person, await invite(operator));
  await operator.openApplication();
  await operator.tab("Assignments");
  await operator.unassign(ada.name);
  await person.startAtMicrosoft();
  await person.givePassword();
  await expect(person.heading("No access")).toBeVisible();
  await audit(person.page);
  await person.press("Sign in as somebody else");
  await expect(person.heading("Sign in")).toBeVisible();
});
