<#
.SYNOPSIS
Checks whether a domain of Microsoft 365 is ready to be federated. Changes nothing.

.PARAMETER LeaveOut
User names that may stay without an ImmutableId.
#>
#Requires -Version 5.1
#Requires -Modules @{ ModuleName = 'Microsoft.Graph.Authentication'; ModuleVersion = '2.0.0' }
[CmdletBinding()]
param(
    [string[]] $LeaveOut = @()
)

# signpost: settings
# signpost: configuration
# signpost: base
# signpost: checks
$context = Connect-Tenant -Scopes @(
    'Domain.Read.All'
    'Domain-InternalFederation.Read.All'
    'User.Read.All'
    'RoleManagement.Read.Directory'
)
$domains = @(Read-GraphList -Path '/v1.0/domains')
$readiness = @{
    Context  = $context
    Domain   = Read-Domain
    Domains  = $domains
    Members  = @(Read-Members -Domains @(Read-DomainFamily -Domains $domains))
    LeaveOut = $LeaveOut
}
Test-Readiness @readiness
if ($script:Stops -gt 0) {
    throw ('{0} points must be put right before the domain can be federated.' -f $script:Stops)
}
Write-Host 'Everything is ready.' -ForegroundColor 'Green'
