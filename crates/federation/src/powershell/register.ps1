<#
.SYNOPSIS
Makes the app registration by which Signpost works in this tenant, and prints the three values it asks for.

.DESCRIPTION
Registers the application, grants exactly the application permissions of the table below, and adds a secret
or uploads Signpost's certificate. Run again, it completes a registration that an earlier run began. With
-WhatIf it changes nothing.

.PARAMETER SecretMonths
How long the secret lasts. It is not used when a certificate is uploaded.
#>
#Requires -Version 5.1
#Requires -Modules @{ ModuleName = 'Microsoft.Graph.Authentication'; ModuleVersion = '2.0.0' }
[CmdletBinding(SupportsShouldProcess)]
param(
    [ValidateRange(1, 24)] [int] $SecretMonths = 12
)

# signpost: settings
# signpost: permissions
# signpost: base
# Microsoft Graph's own application, the same in every tenant.
$GraphAppId = '00000003-0000-0000-c000-000000000000'

# Signs in a person who may make registrations and consent to their permissions.
function Connect-Administrator {
    $scopes = @('Application.ReadWrite.All', 'AppRoleAssignment.ReadWrite.All')
    $connection = @{
        Environment  = $Settings['Environment']
        Scopes       = $scopes
        ContextScope = 'Process'
        NoWelcome    = $true
    }
    if ($Settings['TenantId']) { $connection['TenantId'] = $Settings['TenantId'] }
    Write-Host 'Signing in. Use an account that is Privileged Role Administrator or Global Administrator.'
    Connect-MgGraph @connection
    $context = Get-MgContext
    if ($null -eq $context) { throw 'The sign-in did not succeed.' }
    if ($Settings['TenantId'] -and $context.TenantId -ne $Settings['TenantId']) {
        throw ('Signed in to tenant {0}, but this script is for {1}.' -f $context.TenantId, $Settings['TenantId'])
    }
    $missing = @($scopes | Where-Object { $context.Scopes -notcontains $_ })
    if ($missing.Count -gt 0) { throw ('Permissions were not granted: {0}' -f ($missing -join ', ')) }
    Write-Finding -Level 'Ok' -Text ('Signed in as {0} to tenant {1}.' -f $context.Account, $context.TenantId)
    return $context
}

# A change that must succeed; gives back what Microsoft Graph answers.
function Write-Graph {
    param(
        [Parameter(Mandatory)] [string] $Method,
        [Parameter(Mandatory)] [string] $Path,
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Body,
        [Parameter(Mandatory)] [string] $What
    )
    for ($attempt = 1; $attempt -le 10; $attempt++) {
        $answer = Invoke-Graph -Method $Method -Path $Path -Body $Body
        if (-not (Test-Refused -Answer $answer)) { return $answer['Body'] }
        # A new object is not known everywhere at once.
        if ($answer['Status'] -ne 404) { break }
        Start-Sleep -Seconds 6
    }
    throw ('{0}: Microsoft Graph refused: {1}' -f $What, (Get-Refusal -Answer $answer))
}

# The registration of this name, made now or by an earlier run.
function Get-Registration {
    $literal = $Settings['Name'].Replace("'", "''")
    $filter = [uri]::EscapeDataString("displayName eq '{0}'" -f $literal)
    $found = @(Read-GraphList -Path ('/v1.0/applications?$select=id,appId,keyCredentials&$filter=' + $filter))
    if ($found.Count -gt 1) {
        throw ('The tenant has {0} registrations called {1}. Rename all but one.' -f $found.Count, $Settings['Name'])
    }
    if ($found.Count -eq 1) {
        Write-Finding -Level 'Warning' -Text ('There is a registration called {0} already; it is completed.' -f $Settings['Name'])
        return $found[0]
    }
    $access = @($Permissions.Keys | ForEach-Object { @{ id = $Permissions[$_]; type = 'Role' } })
    $body = @{
        displayName            = $Settings['Name']
        signInAudience         = 'AzureADMyOrg'
        requiredResourceAccess = @(@{ resourceAppId = $GraphAppId; resourceAccess = $access })
    }
    $made = Write-Graph -Method 'POST' -Path '/v1.0/applications' -Body $body -What 'The registration'
    Write-Finding -Level 'Ok' -Text 'The application is registered.'
    return $made
}

# The service principal of a registration, made now or by an earlier run.
function Get-Principal {
    param([Parameter(Mandatory)] [string] $AppId)
    $answer = Invoke-Graph -Method 'GET' -Path ('/v1.0/servicePrincipals(appId=''{0}'')' -f $AppId)
    if ($answer['Status'] -eq 200) { return $answer['Body'] }
    return Write-Graph -Method 'POST' -Path '/v1.0/servicePrincipals' -Body @{ appId = $AppId } -What 'The service principal'
}

# Admin consent to exactly the permissions of the table.
function Grant-Permissions {
    param([Parameter(Mandatory)] [System.Collections.IDictionary] $Principal)
    $graph = Read-Graph -Path ('/v1.0/servicePrincipals(appId=''{0}'')?$select=id' -f $GraphAppId)
    $path = '/v1.0/servicePrincipals/{0}/appRoleAssignments' -f $Principal['id']
    $held = @(Read-GraphList -Path $path | ForEach-Object { [string] $_['appRoleId'] })
    foreach ($name in @($Permissions.Keys)) {
        if ($held -contains $Permissions[$name]) { continue }
        $body = @{ principalId = $Principal['id']; resourceId = $graph['id']; appRoleId = $Permissions[$name] }
        $null = Write-Graph -Method 'POST' -Path $path -Body $body -What $name
        Write-Finding -Level 'Ok' -Text ('Granted {0}.' -f $name)
    }
}

# The application may renew its own secret only when it owns its registration.
function Add-Owner {
    param(
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Registration,
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Principal
    )
    $path = '/v1.0/applications/{0}/owners' -f $Registration['id']
    $owners = @(Read-GraphList -Path $path | ForEach-Object { [string] $_['id'] })
    if ($owners -contains $Principal['id']) { return }
    $object = '{0}/v1.0/directoryObjects/{1}' -f $Settings['GraphRoot'], $Principal['id']
    $null = Write-Graph -Method 'POST' -Path ($path + '/$ref') -Body @{ '@odata.id' = $object } -What 'The owner'
    Write-Finding -Level 'Ok' -Text 'The application owns its registration, and may renew its secret.'
}

# Adds the certificate beside those that are there: one that is in use stays.
function Add-Certificate {
    param([Parameter(Mandatory)] [System.Collections.IDictionary] $Registration)
    $keys = @($Registration['keyCredentials'] | Where-Object { $null -ne $_ })
    $keys += @{ type = 'AsymmetricX509Cert'; usage = 'Verify'; key = $Settings['Certificate']; displayName = 'Signpost' }
    $body = @{ keyCredentials = $keys }
    $path = '/v1.0/applications/{0}' -f $Registration['id']
    $null = Write-Graph -Method 'PATCH' -Path $path -Body $body -What 'The certificate'
    Write-Finding -Level 'Ok' -Text 'The certificate is uploaded.'
}

function Add-Secret {
    param([Parameter(Mandatory)] [System.Collections.IDictionary] $Registration)
    $ends = (Get-Date).ToUniversalTime().AddMonths($SecretMonths).ToString('yyyy-MM-ddTHH:mm:ssZ')
    $body = @{ passwordCredential = @{ displayName = 'Signpost'; endDateTime = $ends } }
    $path = '/v1.0/applications/{0}/addPassword' -f $Registration['id']
    $made = Write-Graph -Method 'POST' -Path $path -Body $body -What 'The secret'
    return [string] $made['secretText']
}

$context = Connect-Administrator
if (-not $PSCmdlet.ShouldProcess($Settings['Name'], 'Register the application and grant its permissions')) { return }
Write-Host ('{0} will be registered in tenant {1} with these application permissions:' -f $Settings['Name'], $context.TenantId)
foreach ($name in @($Permissions.Keys)) { Write-Host ('  ' + $name) }
$typed = Read-Host -Prompt 'Type yes to go on'
if ($typed.Trim() -ne 'yes') { throw 'Nothing was changed.' }

$registration = Get-Registration
$principal = Get-Principal -AppId $registration['appId']
Grant-Permissions -Principal $principal
if ($Settings['OwnsItself'] -eq 'yes') { Add-Owner -Registration $registration -Principal $principal }
$secret = ''
if ($Settings['Certificate']) {
    Add-Certificate -Registration $registration
}
else {
    $secret = Add-Secret -Registration $registration
}

Write-Host ''
Write-Host 'Enter these values in Signpost under Provisioning:'
Write-Host ('  Directory (tenant) ID:   {0}' -f $context.TenantId)
Write-Host ('  Application (client) ID: {0}' -f $registration['appId'])
if ($secret) {
    Write-Host ('  Secret Value:            {0}' -f $secret)
    Write-Host 'The secret is shown this once. Close this window when it is saved in Signpost.'
}
else {
    Write-Host '  Secret Value:            none, the certificate takes its place'
}
