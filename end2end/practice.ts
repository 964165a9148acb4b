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

  calls() {
    return this.call("GET", "calls");
  }

  reset(what: "calls" | "all") {
    return this.call("POST", "reset", { what });
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
