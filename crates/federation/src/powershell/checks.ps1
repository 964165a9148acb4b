# Is the domain one that can be federated?
function Test-Domain {
    param(
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Domain,
        [Parameter(Mandatory)] [System.Collections.IDictionary[]] $Domains,
        [Parameter(Mandatory)] $Context
    )
    $before = $script:Stops
    $name = $Settings['Domain']
    if (-not $Domain['isVerified']) {
        Write-Finding -Level 'Stop' -Text ('{0} is not verified. Verify it in the Microsoft 365 admin center first.' -f $name)
    }
    if ($Domain['isInitial'] -or $name -match '\.onmicrosoft\.(com|us)$' -or $name -match '\.onmschina\.cn$') {
        Write-Finding -Level 'Stop' -Text ('{0} is the initial domain of the tenant. Only a custom domain can be federated.' -f $name)
    }
    if ($Domain['isDefault']) {
        Write-Finding -Level 'Stop' -Text ('{0} is the default domain. Make another domain the default first.' -f $name)
    }
    if (-not $Domain['isRoot']) {
        Write-Finding -Level 'Stop' -Text ('{0} is a subdomain and follows the domain above it. Federate that one, or promote this one first.' -f $name)
    }
    if ($Domain['authenticationType'] -ne 'Managed') {
        Write-Finding -Level 'Stop' -Text ('{0} is already {1}. Use the update script, or revert first.' -f $name, $Domain['authenticationType'])
    }
    elseif ($null -ne (Read-Configuration)) {
        Write-Finding -Level 'Stop' -Text ('{0} is managed but still has a federation configuration. Revert first.' -f $name)
    }
    if (([string] $Context.Account) -like ('*@' + $name)) {
        Write-Finding -Level 'Stop' -Text ('{0} would be locked out if the sign-in page fails. Sign in with an administrator on onmicrosoft.com.' -f $Context.Account)
    }
    foreach ($below in @(Read-DomainFamily -Domains $Domains)) {
        if ($below -ne $name) {
            Write-Finding -Level 'Warning' -Text ('The subdomain {0} follows: its people will sign in through Signpost as well.' -f $below)
        }
    }
    foreach ($other in $Domains) {
        if ($other['authenticationType'] -ne 'Federated' -or $other['id'] -eq $name -or -not $other['isRoot']) { continue }
        $theirs = Read-Configuration -Domain $other['id']
        if ($null -ne $theirs -and $theirs['issuerUri'] -ceq $Configuration['issuerUri']) {
            Write-Finding -Level 'Stop' -Text ('{0} already uses the issuer {1}. Each domain needs its own.' -f $other['id'], $Configuration['issuerUri'])
        }
    }
    if ($script:Stops -eq $before) { Write-Finding -Level 'Ok' -Text ('{0} can be federated.' -f $name) }
}

# Without a valid certificate Microsoft federates the domain and can then neither read nor undo it.
function Test-Certificate {
    param(
        [Parameter(Mandatory)] [string] $Label,
        [Parameter(Mandatory)] [string] $Encoded,
        [Parameter(Mandatory)] [string] $Thumbprint
    )
    try {
        $bytes = [System.Convert]::FromBase64String($Encoded)
        $certificate = New-Object -TypeName System.Security.Cryptography.X509Certificates.X509Certificate2 -ArgumentList (, $bytes)
        $key = [System.Security.Cryptography.X509Certificates.RSACertificateExtensions]::GetRSAPublicKey($certificate)
    }
    catch {
        Write-Finding -Level 'Stop' -Text ('{0} cannot be read: {1}' -f $Label, $_.Exception.Message)
        return
    }
    $before = $script:Stops
    $now = Get-Date
    if ($certificate.Thumbprint -ne $Thumbprint) {
        Write-Finding -Level 'Stop' -Text ('{0} was altered in this script. Download the script again.' -f $Label)
    }
    if ($null -eq $key -or $key.KeySize -lt 2048) {
        Write-Finding -Level 'Stop' -Text ('{0} needs an RSA key of at least 2048 bits.' -f $Label)
    }
    if ($certificate.NotBefore -gt $now) {
        Write-Finding -Level 'Stop' -Text ('{0} is valid only from {1:yyyy-MM-dd}.' -f $Label, $certificate.NotBefore)
    }
    if ($certificate.NotAfter -lt $now.AddDays(30)) {
        Write-Finding -Level 'Stop' -Text ('{0} ends on {1:yyyy-MM-dd}, in less than 30 days. Make a new one.' -f $Label, $certificate.NotAfter)
    }
    if ($script:Stops -eq $before) {
        Write-Finding -Level 'Ok' -Text ('{0} {1} is valid until {2:yyyy-MM-dd}.' -f $Label, $certificate.Thumbprint, $certificate.NotAfter)
    }
}

function Test-Certificates {
    Test-Certificate -Label 'The signing certificate' -Encoded $Configuration['signingCertificate'] -Thumbprint $Settings['Thumbprint']
    if ($Settings['NextThumbprint']) {
        Test-Certificate -Label 'The next signing certificate' -Encoded $Configuration['nextSigningCertificate'] -Thumbprint $Settings['NextThumbprint']
    }
}

# Does the sign-in page answer, with the issuer and the certificate of this script?
function Test-Metadata {
    if (-not $Settings['MetadataUri']) {
        Write-Finding -Level 'Warning' -Text 'No metadata address is known, so the sign-in page was not checked.'
        return
    }
    try {
        $answer = Invoke-WebRequest -Uri $Settings['MetadataUri'] -UseBasicParsing -TimeoutSec 20 -MaximumRedirection 0
        $content = $answer.Content
        if ($content -is [byte[]]) { $content = [System.Text.Encoding]::UTF8.GetString($content) }
        $document = New-Object -TypeName System.Xml.XmlDocument
        $document.XmlResolver = $null
        $document.LoadXml($content.TrimStart([char] 0xFEFF))
    }
    catch {
        Write-Finding -Level 'Stop' -Text ('The sign-in page does not answer at {0}: {1}' -f $Settings['MetadataUri'], $_.Exception.Message)
        return
    }
    $issuer = $document.DocumentElement.GetAttribute('entityID')
    $nodes = $document.SelectNodes('//*[local-name()="X509Certificate"]')
    $published = @($nodes | ForEach-Object { $_.InnerText -replace '\s', '' })
    if ($issuer -cne $Configuration['issuerUri']) {
        Write-Finding -Level 'Stop' -Text ('The sign-in page calls itself {0}, not {1}.' -f $issuer, $Configuration['issuerUri'])
    }
    elseif ($published -cnotcontains $Configuration['signingCertificate']) {
        Write-Finding -Level 'Stop' -Text 'The sign-in page signs with another certificate than the one in this script.'
    }
    else {
        Write-Finding -Level 'Ok' -Text 'The sign-in page answers with the issuer and the certificate of this script.'
    }
}

# After the switch an account without an ImmutableId cannot sign in, and cannot be given one.
function Test-Members {
    param(
        [object[]] $Members = @(),
        [string[]] $LeaveOut = @()
    )
    $before = $script:Stops
    $seen = @{}
    $missing = New-Object -TypeName 'System.Collections.Generic.List[string]'
    foreach ($member in $Members) {
        $id = [string] $member['onPremisesImmutableId']
        $name = [string] $member['userPrincipalName']
        if (-not $id) {
            if ($LeaveOut -notcontains $name) { $missing.Add($name) }
        }
        elseif ($seen.ContainsKey($id)) {
            Write-Finding -Level 'Stop' -Text ('{0} and {1} have the same ImmutableId.' -f $seen[$id], $name)
        }
        else {
            $seen[$id] = $name
        }
    }
    if ($missing.Count -gt 0) {
        $some = @($missing | Select-Object -First 10) -join ', '
        Write-Finding -Level 'Stop' -Text ('{0} of {1} people have no ImmutableId and could not sign in: {2}' -f $missing.Count, $Members.Count, $some)
        Write-Host 'Sync them in Signpost, run the script that sets ImmutableIds, or name them after -LeaveOut.'
    }
    if ($LeaveOut.Count -gt 0) {
        Write-Finding -Level 'Warning' -Text ('Left out, and not able to sign in afterwards: {0}' -f ($LeaveOut -join ', '))
    }
    if ($script:Stops -eq $before) {
        Write-Finding -Level 'Ok' -Text ('{0} people of the domain were checked.' -f $Members.Count)
    }
}

# Two ways in that do not depend on the sign-in page.
function Test-Administrators {
    param([Parameter(Mandatory)] [System.Collections.IDictionary[]] $Domains)
    $initial = @($Domains | Where-Object { $_['isInitial'] } | ForEach-Object { [string] $_['id'] })
    $role = '62e90394-69f5-4237-9190-012177145e10'
    $select = 'id,userPrincipalName,accountEnabled,onPremisesSyncEnabled'
    $holders = @(Read-GraphList -Path ('/v1.0/directoryRoles/roleTemplateId={0}/members?$select={1}' -f $role, $select))
    $safe = New-Object -TypeName 'System.Collections.Generic.List[string]'
    foreach ($holder in $holders) {
        $name = [string] $holder['userPrincipalName']
        $suffix = $name.Substring($name.IndexOf('@') + 1)
        if ($initial -contains $suffix -and $holder['accountEnabled'] -ne $false -and -not $holder['onPremisesSyncEnabled']) {
            $safe.Add($name)
        }
    }
    if ($safe.Count -lt 2) {
        Write-Finding -Level 'Stop' -Text ('{0} Global Administrators are on {1}; at least 2 are needed as a way back in.' -f $safe.Count, ($initial -join ', '))
    }
    else {
        Write-Finding -Level 'Ok' -Text ('{0} Global Administrators can sign in whatever happens to the domain.' -f $safe.Count)
    }
}

# Everything that must be true before the domain is federated.
function Test-Readiness {
    param(
        [Parameter(Mandatory)] $Context,
        [Parameter(Mandatory)] [System.Collections.IDictionary] $Domain,
        [Parameter(Mandatory)] [System.Collections.IDictionary[]] $Domains,
        [object[]] $Members = @(),
        [string[]] $LeaveOut = @()
    )
    Test-Domain -Domain $Domain -Domains $Domains -Context $Context
    Test-Certificates
    Test-Metadata
    Test-Members -Members $Members -LeaveOut $LeaveOut
    Test-Administrators -Domains $Domains
}
