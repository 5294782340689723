// The store that all servers share: the history of calls, and what calls in progress need to go on.
param location string
param suffix string
param tags object
param subnetId string
param zoneId string

@secure()
param password string

var user = 'voice'

resource server 'Microsoft.DBforPostgreSQL/flexibleServers@2024-08-01' = {
  name: 'psql-${suffix}'
  location: location
  tags: tags
  // A server takes 15 connections at most; this size has more than 400, the next smaller one 50.
  sku: { name: 'Standard_B2s', tier: 'Burstable' }
  properties: {
    version: '16'
    administratorLogin: user
    administratorLoginPassword: password
    storage: { storageSizeGB: 32, autoGrow: 'Enabled' }
    backup: { backupRetentionDays: 7, geoRedundantBackup: 'Disabled' }
    highAvailability: { mode: 'Disabled' }
    network: { delegatedSubnetResourceId: subnetId, privateDnsZoneArmResourceId: zoneId }
  }
}

resource calls 'Microsoft.DBforPostgreSQL/flexibleServers/databases@2024-08-01' = {
  parent: server
  name: 'calls'
}

output host string = server.properties.fullyQualifiedDomainName
output name string = calls.name
output user string = user
