// What can be wrong with a connection, in plain words, with everything kept but the secret.
import { audit, expect, test } from "../fixtures";

test.use({ stage: "application" });

test("a wrong secret is named, and everything else is kept", async ({ operator, page, practice }) => {
  const { tenant_id, client_id, secret } = await practice.credentials();
  await operator.openProvisioning();
  await page.getByRole("combobox", { name: "Cloud" }).selectOption({ label: "Practice tenant" });
  await operator.field("Domain name").fill("contoso.example");
  await operator.field("Directory (tenant) ID").fill(tenant_id);
  await operator.field("Application (client) ID").fill(client_id);
  await operator.field("Secret Value").fill("wrong~secret~value~of~the~right~shape~01");
  await operator.press("Update Settings");
  await expect(operator.alert("Microsoft does not accept the client secret")).toBeVisible();
  await expect(operator.field("Secret Value")).toHaveAccessibleDescription(/does not accept the client secret/);
  await expect(operator.field("Domain name")).toHaveValue("contoso.example");
  await expect(operator.field("Directory (tenant) ID")).toHaveValue(tenant_id);
  await expect(operator.field("Application (client) ID")).toHaveValue(client_id);
  await expect(operator.field("Secret Value")).toHaveValue("");
  expect(await page.content()).not.toContain("wrong~secret~value");
  await expect(operator.licenses()).toContainText("No licenses yet");
  await audit(page);

  await operator.field("Secret Value").fill(secret);
  await operator.press("Update Settings");
  await expect(operator.status("Settings saved. Connected to")).toBeVisible();
  await expect(operator.field("Secret Value")).toHaveValue("");
  await audit(page);
});

test("the id of a secret is told from its value before anybody is asked", async ({ operator, practice }) => {
  const { secret_id } = await practice.registration("good");
  await operator.openProvisioning();
  await operator.press("Use practice values");
  await practice.reset("calls");
  await operator.field("Secret Value").fill(secret_id);
  await operator.press("Update Settings");
  await expect(operator.field("Secret Value")).toHaveAccessibleDescription(/This is a Secret ID/);
  expect((await practice.calls()).tokens).toBe(0);
});

test("each wrong shape stands at its field", async ({ operator, page }) => {
  await operator.openProvisioning();
  await operator.field("Domain name").fill("https://contoso.example");
  await operator.field("Directory (tenant) ID").fill("contoso");
  await operator.field("Application (client) ID").fill("123");
  await operator.press("Update Settings");
  await expect(operator.field("Domain name")).toHaveAccessibleDescription(/Enter a domain name/);
  await expect(operator.field("Directory (tenant) ID")).toHaveAccessibleDescription(/32 letters and digits/);
  await expect(operator.field("Application (client) ID")).toHaveAccessibleDescription(/32 letters and digits/);
  await expect(operator.field("Domain name")).toHaveValue("https://contoso.example");
  await audit(page);
});

for (const [key, words] of [
  ["expired-secret", /client secret has ended/],
  ["no-consent", /permission/],
] as const) {
  test(`a registration with ${key} gets the next step`, async ({ operator, page, practice }) => {
    const { client_id, secret } = await practice.registration(key);
    await operator.openProvisioning();
    await operator.press("Use practice values");
    await operator.field("Application (client) ID").fill(client_id);
    await operator.field("Secret Value").fill(secret);
    await operator.press("Update Settings");
    await expect(page.getByRole("main")).toContainText(words);
    await expect(operator.status("Settings saved. Connected to")).toBeHidden();
    await expect(operator.field("Application (client) ID")).toHaveValue(client_id);
  });
}

test("a second operator's settings are not overwritten unseen", async ({ operator, another }) => {
  await operator.openProvisioning();
  const other = await another();
  await other.page.goto(operator.page.url());
  await other.press("Use practice values");
  await other.press("Update Settings");
  await expect(other.status("Settings saved. Connected to")).toBeVisible();

  await operator.field("Domain name").fill("unverified.example");
  await operator.press("Update Settings");
  await expect(operator.alert("Somebody else changed this meanwhile")).toBeVisible();
  await expect(operator.field("Domain name")).toHaveValue("unverified.example");
});
