"""python3-saml and pysaml2 judge every SAML 2.0 case of a file.

check.py CASES: prints a JSON array of {client, name, accepted, immutableId, userName, why}.
"""

import json
import logging
import shutil
import sys

from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from saml2 import BINDING_HTTP_POST
from saml2.client import Saml2Client
from saml2.config import SPConfig

logging.disable(logging.CRITICAL)
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"


def python3_saml(given):
    settings = OneLogin_Saml2_Settings(
        {
            "strict": True,
            "sp": {
                "entityId": given["realm"],
                "assertionConsumerService": {"url": given["reply"], "binding": BINDING_HTTP_POST},
                "NameIDFormat": PERSISTENT,
            },
            "idp": {
                "entityId": given["issuer"],
                "singleSignOnService": {"url": given["sign_in"]},
                "x509cert": given["certificate"],
            },
            "security": {
                "wantAssertionsSigned": True,
                "wantNameId": True,
                "wantAttributeStatement": True,
                "rejectDeprecatedAlgorithm": True,
                "rejectUnsolicitedResponsesWithInResponseTo": True,
                "failOnAuthnContextMismatch": False,
                "requestedAuthnContext": False,
            },
        }
    )
    scheme, rest = given["reply"].split("://")
    host, path = rest.split("/", 1)
    request = {
        "https": "on" if scheme == "https" else "off",
        "http_host": host,
        "script_name": "/" + path,
        "get_data": {},
        "post_data": {},
    }

    def judge(message):
        response = OneLogin_Saml2_Response(settings, message)
        response.is_valid(request, request_id=given["request"], raise_exceptions=True)
        return response.get_nameid(), response.get_attributes()["IDPEmail"]

    return judge


def pysaml2(given):
    config = SPConfig()
    config.load(
        {
            "entityid": given["realm"],
            "xmlsec_binary": shutil.which("xmlsec1") or "xmlsec1 is not installed",
            "metadata": {"inline": [given["metadata"]]},
            "allow_unknown_attributes": True,
            "service": {
                "sp": {
                    "endpoints": {"assertion_consumer_service": [(given["reply"], BINDING_HTTP_POST)]},
                    "want_assertions_signed": True,
                    "want_response_signed": False,
                    "allow_unsolicited": False,
                    "name_id_format": [PERSISTENT],
                }
            },
        }
    )
    client = Saml2Client(config)

    def judge(message):
        response = client.parse_authn_request_response(
            message, BINDING_HTTP_POST, outstanding={given["request"]: "/"}
        )
        if response is None or response.name_id is None:
            raise ValueError("nobody is signed in")
        return response.name_id.text, response.ava["IDPEmail"]

    return judge


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    verdicts = []
    for client, judge in {"python3-saml": python3_saml(given), "pysaml2": pysaml2(given)}.items():
        for case in given["cases"]:
            if case["protocol"] != "saml":
                continue
            verdict = {"client": client, "name": case["name"], "accepted": False, "why": ""}
            try:
                name, users = judge(case["message"])
                verdict.update(accepted=True, immutableId=name, userName=",".join(users))
            except Exception as error:  # each library has exceptions of its own, and all mean no
                verdict["why"] = f"{type(error).__name__}: {error}"
            verdicts.append(verdict)
    json.dump(verdicts, sys.stdout)


main()
