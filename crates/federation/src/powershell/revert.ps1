<#
.SYNOPSIS
Takes back the federation of a domain: its people sign in with a password kept by Microsoft again.

.DESCRIPTION
Saves what is there now and reads back what it did. With -BackupFile of a time when the domain was
federated already, it restores that federation instead. With -WhatIf it changes nothing.

.PARAMETER BackupFile
The file that the federating or the updating script has written.

.PARAMETER ResetPasswords
Gives everybody of the domain a new password and writes them to a file, to be handed out.

.PARAMETER BackupFolder
Where files are written; the current folder unless told otherwise.
#>
#Requires -Version 5.1
#Requires -Modules @{ ModuleName = 'Microsoft.Graph.Authentication'; ModuleVersion = '2.0.0' }
[CmdletBinding(SupportsShouldProcess)]
param(
    [string] $BackupFile = '',
    [switch] $ResetPasswords,
    [string] $BackupFolder = (Get-Location).Path
)

# signpost: settings
# signpost: base
# 24 characters; 64 signs divide 256 evenly, so that each is as likely as the others.
function New-Password {
    $signs = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789-_.!#%+'
    $bytes = New-Object -TypeName 'byte[]' -ArgumentList 20
    $generator = [System.Security.Cryptography.RandomNumberGenerator]::Create()
    $generator.GetBytes($bytes)
    $generator.Dispose()
    $text = -join @($bytes | ForEach-Object { $signs[$_ % 64] })
    return $text + 'x7-Q'
}

# The federation that a backup holds, or nothing when the domain was managed then.
function Read-Backup {
    param([Parameter(Mandatory)] [string] $Path)
    $backup = Get-Content -LiteralPath $Path -Raw | ConvertFrom-Json
    if ($backup.tenantId -ne $Settings['TenantId'] -or $backup.domain.id -ne $Settings['Domain']) {
        throw ('{0} is a backup of {1} in tenant {2}.' -f $Path, $backup.domain.id, $backup.tenantId)
    }
    Write-Finding -Level 'Ok' -Text ('The backup of {0} says: {1}.' -f $backup.savedAt, $backup.domain.authenticationType)
    if ($null -eq $backup.configuration) { return $null }
    $wanted = [ordered] @{ '@odata.type' = '#microsoft.graph.internalDomainFederation' }
    $names = @(
        'displayName', 'issuerUri', 'passiveSignInUri', 'activeSignInUri', 'signOutUri', 'metadataExchangeUri',
        'signingCertificate', 'nextSigningCertificate', 'preferredAuthenticationProtocol', 'promptLoginBehavior',
        'federatedIdpMfaBehavior', 'isSignedAuthenticationRequestRequired', 'passwordResetUri'
    )
    foreach ($property in $backup.configuration.PSObject.Properties) {
        if ($names -contains $property.Name -and $null -ne $property.Value) {
            $wanted[$property.Name] = $property.Value
        }
    }
    if (-not $wanted['signingCertificate']) { throw 'The backup holds a federation without a certificate.' }
    return $wanted
}

# Puts back the federation of the backup.
function Restore-Configuration {
    param(
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Wanted,
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Found
    )
    $path = '/v1.0/domains/{0}/federationConfiguration/{1}' -f $Settings['Domain'], $Found['id']
    $answer = Invoke-Graph -Method 'PATCH' -Path $path -Body $Wanted
    if (Test-Refused -Answer $answer) {
        throw ('Microsoft Graph refused: {0}' -f (Get-Refusal -Answer $answer))
    }
    $different = @('all')
    for ($attempt = 1; $attempt -le 20 -and $different.Count -gt 0; $attempt++) {
        $different = @(Compare-Configuration -Wanted $Wanted -Found (Read-Configuration))
        if ($different.Count -gt 0) { Start-Sleep -Seconds 6 }
    }
    if ($different.Count -gt 0) { throw ('Not as in the backup: {0}' -f ($different -join ', ')) }
    Write-Finding -Level 'Ok' -Text 'The federation of the backup is back.'
}

# New passwords for everybody whom Microsoft keeps the password of.
function Reset-Passwords {
    param([object[]] $Members = @())
    $name = 'signpost-passwords-{0}.csv' -f (Get-Date).ToUniversalTime().ToString('yyyyMMdd-HHmmss')
    $path = Join-Path -Path $BackupFolder -ChildPath $name
    $failed = 0
    foreach ($member in $Members) {
        if ($member['onPremisesSyncEnabled']) { continue }
        $password = New-Password
        $newPassword = @{ password = $password; forceChangePasswordNextSignIn = $true }
        $answer = Invoke-Graph -Method 'PATCH' -Path ('/v1.0/users/{0}' -f $member['id']) -Body @{ passwordProfile = $newPassword }
        if (Test-Refused -Answer $answer) {
            $failed++
            Write-Finding -Level 'Warning' -Text ('{0}: {1}' -f $member['userPrincipalName'], (Get-Refusal -Answer $answer))
            continue
        }
        $line = [pscustomobject] @{ UserPrincipalName = $member['userPrincipalName']; Password = $password }
        $line | Export-Csv -LiteralPath $path -Append -NoTypeInformation -Encoding UTF8
    }
    Write-Finding -Level 'Warning' -Text ('New passwords are in {0}; {1} failed. Hand them out and delete the file.' -f $path, $failed)
}

$scopes = @('Domain.ReadWrite.All', 'Domain-InternalFederation.ReadWrite.All', 'Directory.AccessAsUser.All', 'User.Read.All')
if ($ResetPasswords) { $scopes += 'User-PasswordProfile.ReadWrite.All' }
$null = Connect-Tenant -Scopes $scopes
$name = $Settings['Domain']
$domain = Read-Domain
$domains = @(Read-GraphList -Path '/v1.0/domains')
$members = @(Read-Members -Domains @(Read-DomainFamily -Domains $domains))
$wanted = $null
if ($BackupFile) { $wanted = Read-Backup -Path $BackupFile }
# A domain that was federated without a certificate has a configuration that cannot be read.
$found = $null
try { $found = Read-Configuration } catch { Write-Finding -Level 'Warning' -Text $_.Exception.Message }

if ($null -ne $wanted -and $null -eq $found) {
    throw 'The domain is not federated, so there is nothing to restore. Use the script that federates it.'
}
if ($null -ne $wanted) {
    if (-not $PSCmdlet.ShouldProcess($name, 'Restore the federation of the backup')) { return }
    Confirm-Domain -What ('{0} will be federated with {1} as in the backup.' -f $name, $wanted['issuerUri'])
    $null = Save-Backup -Folder $BackupFolder -Domain $domain -Configuration $found
    Restore-Configuration -Wanted $wanted -Found $found
    return
}

if ($domain['authenticationType'] -eq 'Managed' -and $null -eq $found) {
    Write-Finding -Level 'Ok' -Text ('{0} is managed already. Nothing was changed.' -f $name)
}
else {
    if (-not $PSCmdlet.ShouldProcess($name, 'Set the domain to managed')) { return }
    Write-Finding -Level 'Warning' -Text ('{0} people have no password at Microsoft, or an old one: each will need a new one.' -f $members.Count)
    Confirm-Domain -What ('{0} will be managed by Microsoft again. It can take up to 2 hours.' -f $name)
    $null = Save-Backup -Folder $BackupFolder -Domain $domain -Configuration $found -Members $members
    Set-DomainManaged
    if (-not (Wait-DomainType -Type 'Managed')) {
        throw 'Microsoft does not show the domain as managed yet. Run this script again in some minutes.'
    }
    if ($null -ne (Read-Configuration)) {
        Write-Finding -Level 'Warning' -Text 'The old configuration is still shown. Run this script again in some minutes.'
    }
    Write-Finding -Level 'Ok' -Text ('{0} is managed.' -f $name)
}
if ($ResetPasswords) {
    Reset-Passwords -Members $members
}
else {
    Write-Host 'People need new passwords now: run this script again with -ResetPasswords, or let them use self-service reset.'
}
