// The servers reach their database by a network of their own; from the internet nobody does.
param location string
param suffix string
param tags object

resource network 'Microsoft.Network/virtualNetworks@2024-01-01' = {
  name: 'vnet-${suffix}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: ['10.20.0.0/16'] }
  }
}

resource appSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-01-01' = {
  parent: network
  name: 'app'
  properties: {
    addressPrefix: '10.20.0.0/23'
    delegations: [
      { name: 'app', properties: { serviceName: 'Microsoft.App/environments' } }
    ]
  }
}

resource databaseSubnet 'Microsoft.Network/virtualNetworks/subnets@2024-01-01' = {
  parent: network
  name: 'database'
  properties: {
    addressPrefix: '10.20.2.0/28'
    delegations: [
      { name: 'database', properties: { serviceName: 'Microsoft.DBforPostgreSQL/flexibleServers' } }
    ]
  }
  dependsOn: [appSubnet]
}

resource zone 'Microsoft.Network/privateDnsZones@2020-06-01' = {
  name: 'voice-${suffix}.private.postgres.database.azure.com'
  location: 'global'
  tags: tags
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = {
  parent: zone
  name: 'network'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}

output appSubnetId string = appSubnet.id
output databaseSubnetId string = databaseSubnet.id
output databaseZoneId string = zone.id
