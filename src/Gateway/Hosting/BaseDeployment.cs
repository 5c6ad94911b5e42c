using Gateway.FrontDoor;

namespace Gateway.Hosting;

/// <summary>The deployment every installation starts with: the bare base model under its own name.</summary>
public static class BaseDeployment
{
    /// <summary>Creates the deployment on the first start; later starts leave it as operators and rollouts have moved it.</summary>
    /// <exception cref="StartRefusedException">The data belong to another base model or weight format.</exception>
    public static async Task EnsureAsync(BaseModel model, RoutingState routing, ReleaseBuilder releases, TrafficSwitch traffic, CancellationToken cancellationToken)
    {
        var snapshot = await routing.RefreshAsync(cancellationToken);
        if (snapshot.Deployments.TryGetValue(model.Name, out var route))
        {
            // Adapters and evaluations in this folder were made for another network: serving them would be wrong silently.
            if (route.Stable.Release.BaseFingerprint != model.Fingerprint)
            {
                throw new StartRefusedException($"the deployment '{model.Name}' in this data folder was made for another base model: pass the --model it was made for, another --name, or another --data");
            }

            // Weights in another format are another function: what was evaluated is what must be served.
            if (route.Stable.Release.WeightFormat != model.WeightFormat)
            {
                throw new StartRefusedException($"the deployment '{model.Name}' in this data folder was released with {route.Stable.Release.WeightFormat} weights: pass --weights {route.Stable.Release.WeightFormat}, another --name, or another --data");
            }

            return;
        }

        var (release, write, _) = await releases.BuildAsync(contract: null, generation: null, force: false, cancellationToken);
        await traffic.CreateAsync(
            model.Name, release!, learns: true, "gateway", "first start", write is null ? [] : [write], cancellationToken);
    }
}
