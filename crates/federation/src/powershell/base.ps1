Set-StrictMode -Version Latest
$ErrorActionPreference = 'Stop'
$script:Stops = 0

# Says what was found. 'Stop' means: nothing may be changed until it is put right.
function Write-Finding {
    param(
        [Parameter(Mandatory)] [ValidateSet('Ok', 'Warning', 'Stop')] [string] $Level,
        [Parameter(Mandatory)] [string] $Text
    )
    $colors = @{ Ok = 'Green'; Warning = 'Yellow'; Stop = 'Red' }
    if ($Level -eq 'Stop') { $script:Stops++ }
    Write-Host ('[{0}] {1}' -f $Level.ToUpperInvariant().PadRight(7), $Text) -ForegroundColor $colors[$Level]
}

# One call to Microsoft Graph. Gives back status and body; a refusal is an answer, not an exception.
# It does not use the generated cmdlets: some versions of them damage URLs (2.26.0) or fail (2.26.1).
function Invoke-Graph {
    param(
        [Parameter(Mandatory)] [string] $Method,
        [Parameter(Mandatory)] [string] $Path,
        [System.Collections.IDictionary] $Body
    )
    $request = @{
        Method             = $Method
        Uri                = $Settings['GraphRoot'] + $Path
        Headers            = @{ ConsistencyLevel = 'eventual' }
        OutputType         = 'HashTable'
        SkipHttpErrorCheck = $true
        StatusCodeVariable = 'statusCode'
    }
    if ($null -ne $Body) {
        $request['Body'] = ConvertTo-Json -InputObject $Body -Depth 10
        $request['ContentType'] = 'application/json; charset=utf-8'
    }
    $statusCode = 0
    $answer = Invoke-MgGraphRequest @request
    return @{ Status = [int] $statusCode; Body = $answer }
}

function Get-Refusal {
    param([Parameter(Mandatory)] [System.Collections.IDictionary] $Answer)
    $body = $Answer['Body']
    if ($body -is [System.Collections.IDictionary] -and $body['error'] -is [System.Collections.IDictionary]) {
        return '{0} {1}: {2}' -f $Answer['Status'], $body['error']['code'], $body['error']['message']
    }
    return 'status {0}' -f $Answer['Status']
}

function Read-Graph {
    param([Parameter(Mandatory)] [string] $Path)
    $answer = Invoke-Graph -Method 'GET' -Path $Path
    if ($answer['Status'] -ne 200) {
        throw ('Microsoft Graph refused to read {0}: {1}' -f $Path, (Get-Refusal -Answer $answer))
    }
    return $answer['Body']
}

# Every entry of a list, over all its pages.
function Read-GraphList {
    param([Parameter(Mandatory)] [string] $Path)
    $root = $Settings['GraphRoot']
    $next = $Path
    while ($next) {
        $page = Read-Graph -Path $next
        foreach ($entry in @($page['value'])) {
            if ($null -ne $entry) { $entry }
        }
        $link = [string] $page['@odata.nextLink']
        $next = ''
        if ($link) {
            if (-not $link.StartsWith($root + '/', [System.StringComparison]::OrdinalIgnoreCase)) {
                throw 'Microsoft Graph pointed to another host for the next page.'
            }
            $next = $link.Substring($root.Length)
        }
    }
}

# Signs in and makes sure that it is the right tenant, a person, and all permissions.
function Connect-Tenant {
    param([Parameter(Mandatory)] [string[]] $Scopes)
    Write-Host ('Signing in to tenant {0}. Use an administrator account on onmicrosoft.com.' -f $Settings['TenantId'])
    $connection = @{
        TenantId     = $Settings['TenantId']
        Environment  = $Settings['Environment']
        Scopes       = $Scopes
        ContextScope = 'Process'
        NoWelcome    = $true
    }
    Connect-MgGraph @connection
    $context = Get-MgContext
    if ($null -eq $context) { throw 'The sign-in did not succeed.' }
    if ($context.TenantId -ne $Settings['TenantId']) {
        throw ('Signed in to tenant {0}, but this script is for {1}.' -f $context.TenantId, $Settings['TenantId'])
    }
    if ($context.AuthType -ne 'Delegated') {
        throw 'Sign in as a person: changes to a federated domain are refused to applications.'
    }
    $missing = @($Scopes | Where-Object { $context.Scopes -notcontains $_ })
    if ($missing.Count -gt 0) { throw ('Permissions were not granted: {0}' -f ($missing -join ', ')) }
    Write-Finding -Level 'Ok' -Text ('Signed in as {0}.' -f $context.Account)
    return $context
}

function Read-Domain {
    $answer = Invoke-Graph -Method 'GET' -Path ('/v1.0/domains/{0}' -f $Settings['Domain'])
    if ($answer['Status'] -eq 404) { throw ('This tenant has no domain {0}.' -f $Settings['Domain']) }
    if ($answer['Status'] -ne 200) {
        throw ('The domain could not be read: {0}' -f (Get-Refusal -Answer $answer))
    }
    return $answer['Body']
}

# The federation configuration of a domain, or nothing when it is managed.
function Read-Configuration {
    param([string] $Domain = $Settings['Domain'])
    $answer = Invoke-Graph -Method 'GET' -Path ('/v1.0/domains/{0}/federationConfiguration' -f $Domain)
    if ($answer['Status'] -eq 404) { return $null }
    if ($answer['Status'] -ne 200) {
        throw ('The federation of {0} could not be read: {1}' -f $Domain, (Get-Refusal -Answer $answer))
    }
    $entries = @($answer['Body']['value'])
    if ($entries.Count -eq 0) { return $null }
    return $entries[0]
}

# Names of the properties that are not as wanted.
function Compare-Configuration {
    param(
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Wanted,
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Found
    )
    foreach ($name in @($Wanted.Keys)) {
        if ($name -eq '@odata.type') { continue }
        $have = [string] $Found[$name]
        if ($name -like '*Certificate') { $have = $have -replace '\s', '' }
        if ([string] $Wanted[$name] -cne $have) { $name }
    }
}

# Changes at Microsoft take a moment to be seen everywhere.
function Wait-DomainType {
    param([Parameter(Mandatory)] [string] $Type)
    for ($attempt = 1; $attempt -le 20; $attempt++) {
        $domain = Read-Domain
        if ($domain['authenticationType'] -eq $Type) { return $true }
        Start-Sleep -Seconds 6
    }
    return $false
}

# Back to passwords kept by Microsoft: by the domain, and if that is refused, by the configuration.
function Set-DomainManaged {
    $path = '/v1.0/domains/{0}' -f $Settings['Domain']
    $answer = Invoke-Graph -Method 'PATCH' -Path $path -Body @{ authenticationType = 'Managed' }
    if (-not (Test-Refused -Answer $answer)) { return }
    $refusal = Get-Refusal -Answer $answer
    $found = Read-Configuration
    if ($null -eq $found) {
        $domain = Read-Domain
        if ($domain['authenticationType'] -eq 'Managed') { return }
        throw ('The domain could not be set to managed: {0}' -f $refusal)
    }
    $answer = Invoke-Graph -Method 'DELETE' -Path ('{0}/federationConfiguration/{1}' -f $path, $found['id'])
    if (Test-Refused -Answer $answer) {
        throw ('The domain could not be set to managed: {0}; {1}' -f $refusal, (Get-Refusal -Answer $answer))
    }
}

# The domain and the domains below it, which sign in the same way.
function Read-DomainFamily {
    param([Parameter(Mandatory)] [System.Collections.IDictionary[]] $Domains)
    $Settings['Domain']
    foreach ($entry in $Domains) {
        $isBelow = ([string] $entry['id']).EndsWith('.' + $Settings['Domain'], [System.StringComparison]::OrdinalIgnoreCase)
        if ($isBelow -and -not $entry['isRoot']) { [string] $entry['id'] }
    }
}

# The members whose user names end in one of the domains.
function Read-Members {
    param([Parameter(Mandatory)] [string[]] $Domains)
    foreach ($name in $Domains) {
        $filter = "endsWith(userPrincipalName,'@{0}') and userType eq 'Member'" -f $name
        $select = 'id,userPrincipalName,onPremisesImmutableId,onPremisesSyncEnabled'
        $query = '$count=true&$top=999&$select={0}&$filter={1}' -f $select, [uri]::EscapeDataString($filter)
        Read-GraphList -Path ('/v1.0/users?' + $query)
    }
}

# Writes what is there now to a new file and reads it back; the ImmutableIds go to a table beside it,
# which the script that sets them can read.
function Save-Backup {
    param(
        [Parameter(Mandatory)] [string] $Folder,
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Domain,
        [System.Collections.IDictionary] $Configuration,
        [object[]] $Members = @()
    )
    $now = (Get-Date).ToUniversalTime()
    $name = 'signpost-backup-{0}-{1}' -f $Settings['Domain'], $now.ToString('yyyyMMdd-HHmmss')
    $path = Join-Path -Path $Folder -ChildPath ($name + '.json')
    if (Test-Path -LiteralPath $path) { throw ('The file {0} exists already.' -f $path) }
    $content = [ordered] @{
        savedAt       = $now.ToString('yyyy-MM-ddTHH:mm:ssZ')
        tenantId      = $Settings['TenantId']
        domain        = $Domain
        configuration = $Configuration
    }
    ConvertTo-Json -InputObject $content -Depth 10 | Set-Content -LiteralPath $path -Encoding UTF8
    $written = Get-Content -LiteralPath $path -Raw | ConvertFrom-Json
    if ($written.domain.id -ne $Domain['id']) { throw ('The backup {0} could not be read back.' -f $path) }
    if ($Members.Count -gt 0) {
        $table = Join-Path -Path $Folder -ChildPath ($name + '.csv')
        $rows = $Members | ForEach-Object {
            [pscustomobject] @{ UserPrincipalName = $_['userPrincipalName']; ImmutableId = $_['onPremisesImmutableId'] }
        }
        $rows | Export-Csv -LiteralPath $table -NoTypeInformation -Encoding UTF8
    }
    Write-Finding -Level 'Ok' -Text ('What is there now is saved in {0}.' -f $path)
    return $path
}

function Test-Refused {
    param([Parameter(Mandatory)] [System.Collections.IDictionary] $Answer)
    return $Answer['Status'] -lt 200 -or $Answer['Status'] -gt 299
}

# Nothing is changed before the domain's name has been typed.
function Confirm-Domain {
    param([Parameter(Mandatory)] [string] $What)
    Write-Host ''
    Write-Host $What
    $typed = Read-Host -Prompt ('Type {0} to go on' -f $Settings['Domain'])
    if ($typed.Trim() -cne $Settings['Domain']) {
        throw 'The name of the domain was not typed. Nothing was changed.'
    }
}
