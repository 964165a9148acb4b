<#
.SYNOPSIS
Shows whose account Microsoft asks for a second factor by per-user MFA, and turns that off.

.DESCRIPTION
Reads every member of the domain, saves what is there now, and turns per-user MFA off for those who have it,
without administrators. An account that cannot be read is listed as unknown and left alone. With -WhatIf it
changes nothing.

.PARAMETER IncludeAdministrators
Turns it off for accounts with a directory role too. Think twice: they may not sign in through Signpost.

.PARAMETER RestoreFile
Puts back what a file says that this script has saved.

.PARAMETER BackupFolder
Where files are written; the current folder unless told otherwise.
#>
#Requires -Version 5.1
#Requires -Modules @{ ModuleName = 'Microsoft.Graph.Authentication'; ModuleVersion = '2.0.0' }
[CmdletBinding(SupportsShouldProcess)]
param(
    [switch] $IncludeAdministrators,
    [string] $RestoreFile = '',
    [string] $BackupFolder = (Get-Location).Path
)

# signpost: settings
# signpost: base
function Get-RequirementsPath {
    param([Parameter(Mandatory)] [string] $Id)
    return '/beta/users/{0}/authentication/requirements' -f $Id
}

# 'disabled', 'enabled' or 'enforced'; 'unknown' when it cannot be read, never 'disabled' then.
function Read-MfaState {
    param([Parameter(Mandatory)] [string] $Id)
    $answer = Invoke-Graph -Method 'GET' -Path (Get-RequirementsPath -Id $Id)
    if ($answer['Status'] -ne 200) { return 'unknown' }
    $state = [string] $answer['Body']['perUserMfaState']
    if (@('disabled', 'enabled', 'enforced') -contains $state) { return $state }
    return 'unknown'
}

# Sets a state and looks whether it is kept.
function Set-MfaState {
    param(
        [Parameter(Mandatory)] [string] $Id,
        [Parameter(Mandatory)] [string] $Name,
        [Parameter(Mandatory)] [string] $State
    )
    $body = @{ perUserMfaState = $State }
    $answer = Invoke-Graph -Method 'PATCH' -Path (Get-RequirementsPath -Id $Id) -Body $body
    if (Test-Refused -Answer $answer) {
        Write-Finding -Level 'Warning' -Text ('{0}: {1}' -f $Name, (Get-Refusal -Answer $answer))
        return
    }
    Write-Finding -Level 'Ok' -Text ('{0}: {1}' -f $Name, (Read-MfaState -Id $Id))
}

# The ids of everybody who holds a directory role.
function Read-Administrators {
    foreach ($role in @(Read-GraphList -Path '/v1.0/directoryRoles?$select=id')) {
        $path = '/v1.0/directoryRoles/{0}/members?$select=id' -f $role['id']
        foreach ($member in @(Read-GraphList -Path $path)) { [string] $member['id'] }
    }
}

$null = Connect-Tenant -Scopes @(
    'User.Read.All', 'Domain.Read.All', 'RoleManagement.Read.Directory', 'Policy.Read.All', 'Policy.ReadWrite.AuthenticationMethod'
)

if ($RestoreFile) {
    $rows = @(Import-Csv -LiteralPath $RestoreFile -Encoding UTF8)
    if (-not $PSCmdlet.ShouldProcess($Settings['Domain'], 'Put back what the file says')) { return }
    Confirm-Domain -What ('Per-user MFA of {0} accounts will be as {1} says.' -f $rows.Count, $RestoreFile)
    foreach ($row in $rows) {
        if (@('enabled', 'enforced', 'disabled') -notcontains $row.State) { continue }
        Set-MfaState -Id $row.Id -Name $row.UserPrincipalName -State $row.State
    }
    return
}

$administrators = @(Read-Administrators)
$domains = @(Read-GraphList -Path '/v1.0/domains')
$members = @(Read-Members -Domains @(Read-DomainFamily -Domains $domains))
$found = @($members | ForEach-Object {
    [pscustomobject] @{
        Id                = [string] $_['id']
        UserPrincipalName = [string] $_['userPrincipalName']
        State             = Read-MfaState -Id $_['id']
        Administrator     = $administrators -contains [string] $_['id']
    }
})
foreach ($state in @('enforced', 'enabled', 'disabled', 'unknown')) {
    $count = @($found | Where-Object { $_.State -eq $state }).Count
    Write-Host ('{0}: {1}' -f $state, $count)
}
$unknown = @($found | Where-Object { $_.State -eq 'unknown' })
foreach ($one in $unknown) {
    Write-Finding -Level 'Warning' -Text ('{0} could not be read and is left alone.' -f $one.UserPrincipalName)
}
$asked = @($found | Where-Object {
    @('enabled', 'enforced') -contains $_.State -and ($IncludeAdministrators -or -not $_.Administrator)
})
if ($asked.Count -eq 0) {
    Write-Finding -Level 'Ok' -Text 'Nobody has to be changed.'
    return
}
if (-not $PSCmdlet.ShouldProcess($Settings['Domain'], 'Turn per-user MFA off')) { return }
Confirm-Domain -What ('Per-user MFA will be turned off for {0} accounts.' -f $asked.Count)
$name = 'signpost-per-user-mfa-{0}.csv' -f (Get-Date).ToUniversalTime().ToString('yyyyMMdd-HHmmss')
$path = Join-Path -Path $BackupFolder -ChildPath $name
$asked | Export-Csv -LiteralPath $path -NoTypeInformation -Encoding UTF8
Write-Finding -Level 'Ok' -Text ('What is there now is saved in {0}; -RestoreFile puts it back.' -f $path)
foreach ($one in $asked) { Set-MfaState -Id $one.Id -Name $one.UserPrincipalName -State 'disabled' }
