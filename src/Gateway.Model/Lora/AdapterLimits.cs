namespace Gateway.Model.Lora;

/// <summary>The largest adapter that is accepted.</summary>
/// <param name="MaximumRank">Largest rank of any module.</param>
/// <param name="MaximumBytes">Largest size of adapter_model.safetensors.</param>
public sealed record AdapterLimits(int MaximumRank = 256, long MaximumBytes = 2L << 30);
