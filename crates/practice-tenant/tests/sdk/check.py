"""Microsoft's own SDK against the practice tenant: python check.py https://localhost:PORT TENANT CLIENT SECRET."""

import asyncio
import sys

from azure.identity import ClientSecretCredential
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from kiota_abstractions.base_request_configuration import RequestConfiguration
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.assigned_license import AssignedLicense
from msgraph.generated.models.group import Group
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.password_profile import PasswordProfile
from msgraph.generated.models.reference_create import ReferenceCreate
from msgraph.generated.models.user import User
from msgraph.generated.users.item.assign_license.assign_license_post_request_body import AssignLicensePostRequestBody
from msgraph.generated.users.users_request_builder import UsersRequestBuilder
from msgraph_core.tasks.page_iterator import PageIterator

E3 = "05e9a617-0261-4cee-bb44-138d3ef5d965"


def client(base, tenant, client_id, secret):
    credential = ClientSecretCredential(
        tenant, client_id, secret, authority=base, disable_instance_discovery=True
    )
    host = base.split("//")[1].split(":")[0]
    provider = AzureIdentityAuthenticationProvider(
        credential, scopes=["https://graph.microsoft.com/.default"], allowed_hosts=[host]
    )
    adapter = GraphRequestAdapter(provider)
    adapter.base_url = f"{base}/v1.0"
    return GraphServiceClient(request_adapter=adapter)


async def users(graph):
    """Creates, reads, changes, licenses, lists, deletes and restores."""
    made = await graph.users.post(
        User(
            account_enabled=True,
            display_name="Sam Sdk",
            mail_nickname="sam",
            user_principal_name="sam@contoso.example",
            usage_location="TR",
            password_profile=PasswordProfile(password="Str0ng!passw0rd"),
        )
    )
    assert made.id and made.user_principal_name == "sam@contoso.example"
    await graph.users.by_user_id(made.id).patch(User(job_title="Tester", business_phones=["+90 1"]))
    read = await graph.users.by_user_id(made.id).get()
    assert read.job_title == "Tester" and read.business_phones == ["+90 1"]

    body = AssignLicensePostRequestBody(add_licenses=[AssignedLicense(sku_id=E3, disabled_plans=[])], remove_licenses=[])
    await graph.users.by_user_id(made.id).assign_license.post(body)
    details = await graph.users.by_user_id(made.id).license_details.get()
    assert details.value[0].sku_part_number == "SPE_E3"

    parameters = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(select=["id", "displayName"], top=50)
    page = await graph.users.get(request_configuration=RequestConfiguration(query_parameters=parameters))
    seen = []
    iterator = PageIterator(page, graph.request_adapter)
    await iterator.iterate(lambda user: seen.append(user.id) or True)
    assert made.id in seen and len(seen) == len(set(seen)) > 100, len(seen)

    counted = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(count=True, filter="endswith(userPrincipalName,'onmicrosoft.com')")
    configuration = RequestConfiguration(query_parameters=counted)
    configuration.headers.add("ConsistencyLevel", "eventual")
    admins = await graph.users.get(request_configuration=configuration)
    assert admins.odata_count == 2 == len(admins.value)

    delta = await graph.users.delta.get()
    while delta.odata_next_link:
        delta = await graph.users.delta.with_url(delta.odata_next_link).get()
    await graph.users.by_user_id(made.id).patch(User(job_title="Leaver"))
    changed = await graph.users.delta.with_url(delta.odata_delta_link).get()
    assert [user.id for user in changed.value] == [made.id]

    sessions = await graph.users.by_user_id(made.id).revoke_sign_in_sessions.post()
    assert sessions.value is True
    return made.id


async def groups(graph, user_id, base):
    made = await graph.groups.post(
        Group(display_name="Sdk team", mail_enabled=False, mail_nickname="sdkteam", security_enabled=True, group_types=[])
    )
    link = ReferenceCreate(odata_id=f"{base}/v1.0/directoryObjects/{user_id}")
    await graph.groups.by_group_id(made.id).members.ref.post(link)
    members = await graph.groups.by_group_id(made.id).members.get()
    assert [type(member).__name__ for member in members.value] == ["User"]
    memberships = await graph.users.by_user_id(user_id).member_of.get()
    assert [type(group).__name__ for group in memberships.value] == ["Group"]
    manager = ReferenceCreate(odata_id=f"{base}/v1.0/users/alice.martins@contoso.example")
    await graph.users.by_user_id(user_id).manager.ref.put(manager)
    assert (await graph.users.by_user_id(user_id).manager.get()).user_principal_name == "alice.martins@contoso.example"


async def tenant(graph, client_id):
    organization = (await graph.organization.get()).value[0]
    assert organization.display_name == "Contoso Practice" and organization.verified_domains
    domains = {domain.id: domain for domain in (await graph.domains.get()).value}
    assert domains["contoso.example"].authentication_type == "Managed"
    skus = (await graph.subscribed_skus.get()).value
    assert any(sku.sku_part_number == "SPE_E3" and sku.prepaid_units.enabled == 300 for sku in skus)
    assert (await graph.directory.subscriptions.get()).value
    roles = (await graph.directory_roles.get()).value
    holders = await graph.directory_roles.by_directory_role_id(roles[0].id).members.get()
    assert len(holders.value) == 2
    principal = await graph.service_principals_with_app_id(client_id).get()
    grants = await graph.service_principals.by_service_principal_id(principal.id).app_role_assignments.get()
    assert grants.value and str(grants.value[0].principal_id) == principal.id
    application = await graph.applications_with_app_id(client_id).get()
    assert application.password_credentials[0].end_date_time
    assert (await graph.policies.identity_security_defaults_enforcement_policy.get()).is_enabled is True
    assert (await graph.policies.authorization_policy.get()).allowed_to_use_s_s_p_r is True
    await graph.policies.authentication_methods_policy.get()
    assert (await graph.identity.conditional_access.policies.get()).value == []


async def refusals(graph, user_id):
    try:
        await graph.users.by_user_id("nobody@contoso.example").get()
        raise AssertionError("a missing user was found")
    except ODataError as error:
        assert error.response_status_code == 404 and error.error.code == "Request_ResourceNotFound"
        assert error.error.inner_error.request_id
    await graph.users.by_user_id(user_id).delete()
    deleted = (await graph.directory.deleted_items.graph_user.get()).value
    assert user_id in [user.id for user in deleted]
    restored = await graph.directory.deleted_items.by_directory_object_id(user_id).restore.post()
    assert restored.id == user_id and type(restored).__name__ == "User"


async def main():
    base, tenant_id, client_id, secret = sys.argv[1:5]
    graph = client(base, tenant_id, client_id, secret)
    await tenant(graph, client_id)
    user_id = await users(graph)
    await groups(graph, user_id, base)
    await refusals(graph, user_id)
    print("the SDK is satisfied")


asyncio.run(main())
