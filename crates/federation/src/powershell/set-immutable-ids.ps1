<#
.SYNOPSIS
Gives the accounts of a domain their ImmutableId, by which Microsoft knows who signs in.

.DESCRIPTION
Reads a file with the columns UserPrincipalName and ImmutableId, as Signpost writes it. Sets only
what is missing; with -Overwrite also what differs. With -WhatIf it only says what it would do.
The domain must still be managed: afterwards Microsoft refuses the change.

.PARAMETER Path
The CSV file.

.PARAMETER Overwrite
Also replaces an ImmutableId that differs.

.PARAMETER BackupFolder
Where the backup is written; the current folder unless told otherwise.
#>
#Requires -Version 5.1
#Requires -Modules @{ ModuleName = 'Microsoft.Graph.Authentication'; ModuleVersion = '2.0.0' }
[CmdletBinding(SupportsShouldProcess)]
param(
    [Parameter(Mandatory)] [string] $Path,
    [switch] $Overwrite,
    [string] $BackupFolder = (Get-Location).Path
)

# signpost: settings
# signpost: base
# The wanted ImmutableId by user name. Stops at the first line that cannot be right.
function Read-WantedIds {
    param([Parameter(Mandatory)] [string] $Path)
    $wanted = @{}
    $ids = @{}
    $line = 1
    foreach ($row in @(Import-Csv -LiteralPath $Path -Encoding UTF8)) {
        $line++
        $columns = @($row.PSObject.Properties | ForEach-Object { $_.Name })
        if ($columns -notcontains 'UserPrincipalName' -or $columns -notcontains 'ImmutableId') {
            throw 'The file needs the columns UserPrincipalName and ImmutableId.'
        }
        $name = $row.UserPrincipalName.Trim()
        $id = $row.ImmutableId.Trim()
        if ($id -cnotmatch '^[A-Za-z0-9+/=]{1,64}$') {
            throw ('Line {0}: "{1}" is not an ImmutableId (letters and digits, at most 64).' -f $line, $id)
        }
        if ($wanted.ContainsKey($name)) { throw ('Line {0}: {1} is there twice.' -f $line, $name) }
        if ($ids.ContainsKey($id)) { throw ('Line {0}: the ImmutableId of {1} is also that of {2}.' -f $line, $name, $ids[$id]) }
        $wanted[$name] = $id
        $ids[$id] = $name
    }
    if ($wanted.Count -eq 0) { throw 'The file names nobody.' }
    return $wanted
}

$wanted = Read-WantedIds -Path $Path
$null = Connect-Tenant -Scopes @('Domain.Read.All', 'Domain-InternalFederation.Read.All', 'User.ReadWrite.All')
$domain = Read-Domain
if ($domain['authenticationType'] -ne 'Managed') {
    throw ('{0} is {1}: ImmutableIds can only be set while it is managed.' -f $Settings['Domain'], $domain['authenticationType'])
}
$domains = @(Read-GraphList -Path '/v1.0/domains')
$members = @(Read-Members -Domains @(Read-DomainFamily -Domains $domains))
$due = New-Object -TypeName 'System.Collections.Generic.List[object]'
$ready = 0
foreach ($member in $members) {
    $name = [string] $member['userPrincipalName']
    if (-not $wanted.ContainsKey($name)) {
        if (-not $member['onPremisesImmutableId']) {
            Write-Finding -Level 'Warning' -Text ('{0} is not in the file and has no ImmutableId.' -f $name)
        }
        continue
    }
    $have = [string] $member['onPremisesImmutableId']
    $want = $wanted[$name]
    $wanted.Remove($name)
    if ($have -ceq $want) { $ready++ }
    elseif ($member['onPremisesSyncEnabled']) {
        Write-Finding -Level 'Warning' -Text ('{0} is synchronised from another directory, which owns the ImmutableId.' -f $name)
    }
    elseif ($have -and -not $Overwrite) {
        Write-Finding -Level 'Warning' -Text ('{0} has another ImmutableId. Use -Overwrite if Signpost is right.' -f $name)
    }
    else { $due.Add(@{ Id = $member['id']; Name = $name; Want = $want }) }
}
foreach ($name in @($wanted.Keys)) {
    Write-Finding -Level 'Warning' -Text ('{0} is in the file but has no account in the domain.' -f $name)
}
Write-Host ('{0} accounts are ready, {1} are to be set.' -f $ready, $due.Count)
if ($due.Count -eq 0) { return }
if (-not $PSCmdlet.ShouldProcess($Settings['Domain'], ('Set the ImmutableId of {0} accounts' -f $due.Count))) { return }
Confirm-Domain -What ('The ImmutableId of {0} accounts will be set.' -f $due.Count)
$null = Save-Backup -Folder $BackupFolder -Domain $domain -Members $members

foreach ($account in $due) {
    $answer = Invoke-Graph -Method 'PATCH' -Path ('/v1.0/users/{0}' -f $account['Id']) -Body @{ onPremisesImmutableId = $account['Want'] }
    if (Test-Refused -Answer $answer) {
        Write-Finding -Level 'Stop' -Text ('{0}: {1}' -f $account['Name'], (Get-Refusal -Answer $answer))
        continue
    }
    $after = Read-Graph -Path ('/v1.0/users/{0}?$select=id,onPremisesImmutableId' -f $account['Id'])
    if ($after['onPremisesImmutableId'] -cne $account['Want']) {
        Write-Finding -Level 'Warning' -Text ('{0}: Microsoft does not show the new value yet.' -f $account['Name'])
    }
}
if ($script:Stops -gt 0) {
    throw ('{0} accounts could not be set.' -f $script:Stops)
}
Write-Finding -Level 'Ok' -Text ('{0} accounts were set.' -f $due.Count)
