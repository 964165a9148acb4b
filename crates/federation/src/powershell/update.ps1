<#
.SYNOPSIS
Brings the federation of a domain to the current certificates and addresses.

.DESCRIPTION
For a domain that is federated with Signpost already. Saves what was there, changes only what
differs, and reads it back. With -WhatIf it only says what differs.

.PARAMETER BackupFolder
Where the backup is written; the current folder unless told otherwise.
#>
#Requires -Version 5.1
#Requires -Modules @{ ModuleName = 'Microsoft.Graph.Authentication'; ModuleVersion = '2.0.0' }
[CmdletBinding(SupportsShouldProcess)]
param(
    [string] $BackupFolder = (Get-Location).Path
)

# signpost: settings
# signpost: configuration
# signpost: base
# signpost: checks
$null = Connect-Tenant -Scopes @(
    'Domain.ReadWrite.All'
    'Domain-InternalFederation.ReadWrite.All'
    'Directory.AccessAsUser.All'
)
$name = $Settings['Domain']
$domain = Read-Domain
$found = Read-Configuration
if ($null -eq $found) { throw ('{0} is not federated. Use the script that federates it.' -f $name) }
if ($found['issuerUri'] -cne $Configuration['issuerUri']) {
    throw ('{0} is federated with {1}, not with {2}. Nothing was changed.' -f $name, $found['issuerUri'], $Configuration['issuerUri'])
}
Test-Certificates
Test-Metadata
if ($script:Stops -gt 0) {
    throw ('Nothing was changed: {0} points must be put right first.' -f $script:Stops)
}
$different = @(Compare-Configuration -Wanted $Configuration -Found $found)
if ($different.Count -eq 0) {
    Write-Finding -Level 'Ok' -Text 'Everything is set as it should be. Nothing was changed.'
    return
}
Write-Host ('This differs and will be set: {0}' -f ($different -join ', '))
if (-not $PSCmdlet.ShouldProcess($name, 'Update the federation of the domain')) { return }
Confirm-Domain -What 'A wrong certificate keeps everybody of the domain from signing in.'
$backup = Save-Backup -Folder $BackupFolder -Domain $domain -Configuration $found

$changes = [ordered] @{ '@odata.type' = '#microsoft.graph.internalDomainFederation' }
foreach ($key in $different) { $changes[$key] = $Configuration[$key] }
$path = '/v1.0/domains/{0}/federationConfiguration/{1}' -f $name, $found['id']
$answer = Invoke-Graph -Method 'PATCH' -Path $path -Body $changes
if (Test-Refused -Answer $answer) {
    throw ('Microsoft Graph refused: {0}' -f (Get-Refusal -Answer $answer))
}
$left = $different
for ($attempt = 1; $attempt -le 20 -and $left.Count -gt 0; $attempt++) {
    $left = @(Compare-Configuration -Wanted $Configuration -Found (Read-Configuration))
    if ($left.Count -gt 0) { Start-Sleep -Seconds 6 }
}
if ($left.Count -gt 0) {
    Write-Host ('To go back: .\{0} -BackupFile "{1}"' -f $Settings['RevertScript'], $backup)
    throw ('Not as sent: {0}' -f ($left -join ', '))
}
Write-Finding -Level 'Ok' -Text 'Everything reads back as sent.'
Write-Host ('Sign in as one person of {0} in a private browser window now.' -f $name)
Write-Host ('To go back: .\{0} -BackupFile "{1}"' -f $Settings['RevertScript'], $backup)
