// What an operator says about signing in: the looks of the page, a second factor by group.
import { audit, expect, Person, test } from "../fixtures";

test.use({ stage: "connected", host: "localhost" });

/** 8 by 8 pixels of one blue. */
const picture = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEUlEQVR42mNQDzmPFTEMLQkAEqhSgbTooTYAAAAASUVORK5CYII=",
  "base64",
);

test("a logo and a colour stand on the login page", async ({ operator, page, another }) => {
  await operator.signIn();
  await operator.openApplication();
  await operator.tab("Sign-on");
  await operator.field("Heading of the login page").fill("Contoso");
  await operator.field("Colour of the login page").fill("#0f6b4f");
  await operator.press("Save sign-on settings");
  await expect(operator.status("The sign-on settings are saved")).toBeVisible();
  await page.getByLabel("Logo file").setInputFiles({ name: "logo.png", mimeType: "image/png", buffer: picture });
  await operator.press("Upload logo");
  await expect(operator.status("The logo is saved")).toBeVisible();
  await audit(page);

  const id = new URL(page.url()).pathname.split("/")[2];
  const person = new Person((await another("signed out")).page, operator.portal);
  const query = "wa=wsignin1.0&wtrealm=urn:federation:MicrosoftOnline&wctx=x";
  await person.page.goto(`/federation/${id}/sign-in?${query}`);
  await expect(person.page.getByRole("img", { name: "Contoso" })).toBeVisible();
  const button = person.page.getByRole("button", { name: "Sign in", exact: true });
  await expect(button).toHaveCSS("background-color", "rgb(15, 107, 79)");
  await audit(person.page);

  const svg = Buffer.from("<svg xmlns='http://www.w3.org/2000/svg'/>");
  await page.getByLabel("Logo file").setInputFiles({ name: "logo.png", mimeType: "image/png", buffer: svg });
  await operator.press("Upload logo");
  await expect(page.getByLabel("Logo file")).toHaveAccessibleDescription(/Choose a PNG, JPEG or WebP picture/);
  await operator.press("Remove logo");
  await expect(operator.status("The logo is removed")).toBeVisible();
});

test("a group owes a second factor of its own", async ({ operator, page }) => {
  await operator.signIn();
  await operator.openApplication();
  await operator.tab("Sign-on");
  const card = page.getByRole("region", { name: "Second factor by group" });
  await operator.press("Save rule");
  await expect(card.getByRole("combobox", { name: "Group" })).toHaveAccessibleDescription(/Choose a group/);
  await card.getByRole("combobox", { name: "Group" }).selectOption({ label: "Finance" });
  await operator.press("Save rule");
  await expect(operator.status("The rule of the group is saved")).toBeVisible();
  await expect(card.getByRole("row", { name: /Finance.*Required/ })).toBeVisible();
  await audit(page);
  await operator.press("Remove the rule of Finance");
  await expect(card.getByRole("row", { name: /Finance/ })).toHaveCount(0);
});
