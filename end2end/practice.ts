// The control API of the practice tenant: Microsoft's side, without our client in between.

export interface License {
  skuId: string;
  disabledPlans: string[];
}

/** An account in Graph's own property names. */
export interface Account {
  id: string;
  userPrincipalName: string;
  displayName: string;
  mail: string | null;
  accountEnabled: boolean;
  department: string | null;
  jobTitle: string | null;
  usageLocation: string | null;
  onPremisesImmutableId: string | null;
  deletedDateTime: string | null;
  assignedLicenses: License[];
  perUserMfaState: string;
}

export interface Credentials {
  tenant_id: string;
  client_id: string;
  secret: string;
  applications: { key: string; client_id: string; secret: string; secret_id: string }[];
}

export interface Sku {
  skuId: string;
  skuPartNumber: string;
  productName: string;
  consumedUnits: number;
  enabled: number;
  free: number;
}

export class Practice {
  /** The page for people. */
  readonly page: string;

  constructor(readonly url: string) {
    this.page = `${url}/_practice/`;
  }

  async accounts(): Promise<Account[]> {
    return (await this.call("GET", "accounts?top=100000")).accounts;
  }

  /** The account with this user principal name, if the tenant holds it and has not deleted it. */
  async account(name: string): Promise<Account | undefined> {
    const wanted = name.toLowerCase();
    const found = (await this.accounts()).filter((account) => !account.deletedDateTime);
    return found.find((account) => account.userPrincipalName.toLowerCase() === wanted);
  }

  credentials(): Promise<Credentials> {
    return this.call("GET", "credentials");
  }

  /** One of the registrations, as `expired-secret` or `no-consent`. */
  async registration(key: string) {
    const { applications } = await this.credentials();
    const found = applications.find((application) => application.key === key);
    if (!found) throw new Error(`no registration is called ${key}`);
    return found;
  }

  async sku(partNumber: string): Promise<Sku> {
    const { skus } = await this.call("GET", "skus");
    return skus.find((sku: Sku) => sku.skuPartNumber === partNumber);
  }

  /** The live groups of this name. */
  async groups(name: string): Promise<{ id: string; members: string[]; description: string | null }[]> {
    const { groups } = await this.call("GET", "groups");
    return groups.filter((group: { displayName: string; deletedDateTime: string | null }) =>
      group.displayName === name && !group.deletedDateTime);
  }

  calls() {
    return this.call("GET", "calls");
  }

  reset(what: "calls" | "all") {
    return this.call("POST", "reset", { what });
  }

  /** Grants the portal's registration more permissions; they count from the next token on. */
  permit(...permissions: string[]) {
    return this.call("POST", "applications", { grant: permissions });
  }

  fault(fault: object) {
    return this.call("POST", "faults", fault);
  }

  setAccount(account: object) {
    return this.call("POST", "accounts", account);
  }

  setSku(sku: object) {
    return this.call("POST", "skus", sku);
  }

  /** Makes Microsoft send the people of `domain` to `provider`, as the script Federate does. */
  async federate(domain: string, provider: string, protocol: "wsFed" | "saml"): Promise<void> {
    const metadata = await (await fetch(`${provider}/metadata.xml`)).text();
    const answer = await fetch(`${this.url}/v1.0/domains/${domain}/federationConfiguration`, {
      method: "POST",
      headers: { authorization: `Bearer ${await this.token()}`, "content-type": "application/json" },
      body: JSON.stringify({
        "@odata.type": "#microsoft.graph.internalDomainFederation",
        displayName: "Contoso",
        issuerUri: provider,
        passiveSignInUri: `${provider}/sign-in`,
        signOutUri: `${provider}/sign-out`,
        preferredAuthenticationProtocol: protocol,
        federatedIdpMfaBehavior: "acceptIfMfaDoneByFederatedIdp",
        promptLoginBehavior: "nativeSupport",
        signingCertificate: /<ds:X509Certificate>([^<]+)</.exec(metadata)?.[1],
      }),
    });
    if (!answer.ok) throw new Error(`the domain was not federated: ${answer.status} ${await answer.text()}`);
  }

  /** What Graph answers to somebody who may read everything: a list by its members, and null for what is not there. */
  async read(path: string) {
    const headers = { authorization: `Bearer ${await this.token()}` };
    const answer = await fetch(`${this.url}/v1.0/${path}`, { headers });
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    const { value, "@odata.context": _context, ...one } = await answer.json();
    return value ?? one;
  }

  /** A token of the registration that may do everything. */
  private async token(): Promise<string> {
    const { tenant_id } = await this.credentials();
    const { client_id, secret } = await this.registration("full");
    const body = new URLSearchParams({
      grant_type: "client_credentials",
      client_id,
      client_secret: secret,
      scope: "https://graph.microsoft.com/.default",
    });
    const answer = await fetch(`${this.url}/${tenant_id}/oauth2/v2.0/token`, { method: "POST", body });
    return (await answer.json()).access_token;
  }

  private async call(method: string, path: string, body?: object) {
    const answer = await fetch(this.page + path, {
      method,
      headers: { "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return JSON.parse(text);
  }
}
