// node-saml (SAML 2.0) and passport-wsfed-saml2 (WS-Federation) judge every case of a file.
//
// node check.mjs CASES: prints a JSON array of {client, name, accepted, immutableId, userName, why}.

import { readFileSync } from "node:fs";
import { SAML } from "@node-saml/node-saml";
import passport from "passport-wsfed-saml2";

const given = JSON.parse(readFileSync(process.argv[2], "utf8"));

/** A cache that knows the one request that was sent. */
function knows(id) {
  return {
    saveAsync: async () => null,
    getAsync: async (key) => (key === id ? new Date().toISOString() : null),
    removeAsync: async (key) => key,
  };
}

/** Both libraries report the issuer and leave it to the program. */
function checkIssuer(issuer) {
  if (issuer !== given.issuer) throw new Error(`the issuer is ${issuer}`);
}

async function saml(one) {
  const client = new SAML({
    issuer: given.realm,
    audience: given.realm,
    callbackUrl: given.reply,
    entryPoint: given.sign_in,
    idpCert: given.certificate,
    identifierFormat: "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    wantAuthnResponseSigned: false,
    wantAssertionsSigned: true,
    validateInResponseTo: "always",
    cacheProvider: knows(given.request),
  });
  const { profile } = await client.validatePostResponseAsync({ SAMLResponse: one.message });
  checkIssuer(profile.issuer);
  return { immutableId: profile.nameID, userName: profile.attributes.IDPEmail };
}

async function wsfed(one) {
  const profile = await new Promise((resolve, reject) => {
    const options = {
      protocol: "wsfed",
      cert: given.certificate.replace(/-----[^-]+-----|\s/g, ""),
      realm: given.realm,
      identityProviderUrl: given.sign_in,
      recipientUrl: given.reply,
    };
    const client = new passport.Strategy(options, (profile, done) => done(null, profile));
    client.error = reject;
    client.fail = (reason) => reject(new Error(String(reason)));
    client.success = resolve;
    const body = { wa: "wsignin1.0", wresult: one.message, wctx: "abc" };
    client.authenticate({ method: "POST", url: "/login.srf", headers: {}, query: {}, body }, {});
  });
  checkIssuer(profile.issuer);
  return {
    immutableId: profile["http://schemas.microsoft.com/LiveID/Federation/2008/05/ImmutableID"],
    userName: profile["http://schemas.xmlsoap.org/claims/UPN"],
  };
}

const verdicts = [];
for (const one of given.cases) {
  const [client, judge] =
    one.protocol === "saml" ? ["node-saml", saml] : ["passport-wsfed-saml2", wsfed];
  try {
    verdicts.push({ client, name: one.name, accepted: true, ...(await judge(one)), why: "" });
  } catch (error) {
    verdicts.push({ client, name: one.name, accepted: false, why: error.message });
  }
}
process.stdout.write(JSON.stringify(verdicts));
