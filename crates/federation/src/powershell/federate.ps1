<#
.SYNOPSIS
Federates a domain of Microsoft 365, so that its people sign in on Signpost's page.

.DESCRIPTION
Checks first, asks before it changes anything, saves what was there, and reads back what it did.
With -WhatIf it only checks. Needs the module Microsoft.Graph.Authentication:
Install-Module Microsoft.Graph.Authentication -Scope CurrentUser

.PARAMETER LeaveOut
User names that may stay without an ImmutableId. They cannot sign in afterwards.

.PARAMETER BackupFolder
Where the backup is written; the current folder unless told otherwise.
#>
#Requires -Version 5.1
#Requires -Modules @{ ModuleName = 'Microsoft.Graph.Authentication'; ModuleVersion = '2.0.0' }
[CmdletBinding(SupportsShouldProcess)]
param(
    [string[]] $LeaveOut = @(),
    [string] $BackupFolder = (Get-Location).Path
)

# signpost: settings
# signpost: configuration
# signpost: base
# signpost: checks
$context = Connect-Tenant -Scopes @(
    'Domain.ReadWrite.All'
    'Domain-InternalFederation.ReadWrite.All'
    'Directory.AccessAsUser.All'
    'User.Read.All'
    'RoleManagement.Read.Directory'
)
$name = $Settings['Domain']
$domain = Read-Domain
$domains = @(Read-GraphList -Path '/v1.0/domains')
$members = @(Read-Members -Domains @(Read-DomainFamily -Domains $domains))
$readiness = @{
    Context  = $context
    Domain   = $domain
    Domains  = $domains
    Members  = $members
    LeaveOut = $LeaveOut
}
Test-Readiness @readiness
if ($script:Stops -gt 0) {
    throw ('Nothing was changed: {0} points must be put right first.' -f $script:Stops)
}
if (-not $Configuration['signingCertificate']) { throw 'There is no signing certificate. Nothing was changed.' }

Write-Host ''
Write-Host 'This will be set:'
foreach ($key in @($Configuration.Keys)) {
    $shown = [string] $Configuration[$key]
    if ($key -like '*Certificate') { $shown = '(certificate, see above)' }
    Write-Host ('  {0} = {1}' -f $key, $shown)
}
if (-not $PSCmdlet.ShouldProcess($name, 'Federate the domain')) { return }
$effect = '{0} people will sign in on {1}. It can take up to 2 hours until everybody does, and passwords kept by Microsoft stop being used.'
Confirm-Domain -What ($effect -f $members.Count, $Configuration['passiveSignInUri'])
$backup = Save-Backup -Folder $BackupFolder -Domain $domain -Members $members

$problem = ''
try {
    $path = '/v1.0/domains/{0}/federationConfiguration' -f $name
    $answer = Invoke-Graph -Method 'POST' -Path $path -Body $Configuration
    if (Test-Refused -Answer $answer) { $problem = Get-Refusal -Answer $answer }
}
catch {
    $problem = $_.Exception.Message
}
if ($problem) {
    # An error does not mean that nothing happened: the domain may be federated all the same.
    Write-Host ('Microsoft Graph refused: {0}. Setting the domain back to managed.' -f $problem) -ForegroundColor 'Red'
    Set-DomainManaged
    if (Wait-DomainType -Type 'Managed') {
        throw ('The domain was not federated: {0}. It is managed as before.' -f $problem)
    }
    throw ('The domain was not federated properly ({0}) and is not managed. Run the revert script now.' -f $problem)
}

if (-not (Wait-DomainType -Type 'Federated')) {
    Write-Finding -Level 'Warning' -Text 'Microsoft does not show the domain as federated yet. Look again in some minutes.'
}
$found = Read-Configuration
if ($null -eq $found) {
    throw 'The configuration cannot be read back. Run the revert script.'
}
$different = @(Compare-Configuration -Wanted $Configuration -Found $found)
if ($different.Count -gt 0) {
    throw ('Not as sent: {0}. Run the revert script, or set these by the update script.' -f ($different -join ', '))
}
Write-Finding -Level 'Ok' -Text ('{0} is federated; everything reads back as sent.' -f $name)
Write-Host ''
Write-Host 'What to do next. Keep this window and your session open until the first sign-in works.'
Write-Host ('1. See how Microsoft answers: {0}/common/userrealm/someone@{1}?api-version=2.1' -f $Settings['SignInRoot'], $name)
Write-Host ('2. Sign in as one person of {0} in a private browser window.' -f $name)
Write-Host ('3. To undo it: .\{0} -BackupFile "{1}"' -f $Settings['RevertScript'], $backup)
