namespace Gateway.Model.Weights;

/// <summary>The seven linear maps of a decoder layer: the places where LoRA can act.</summary>
public enum Projection
{
    /// <summary>q_proj.</summary>
    Query,

    /// <summary>k_proj.</summary>
    Key,

    /// <summary>v_proj.</summary>
    Value,

    /// <summary>o_proj.</summary>
    Output,

    /// <summary>gate_proj.</summary>
    Gate,

    /// <summary>up_proj.</summary>
    Up,

    /// <summary>down_proj.</summary>
    Down,
}

/// <summary>Names and widths of the projections.</summary>
public static class Projections
{
    /// <summary>Number of projections in a layer.</summary>
    public const int Count = 7;

    /// <summary>All projections in the order of the forward pass.</summary>
    public static IReadOnlyList<Projection> All { get; } = Enum.GetValues<Projection>();

    /// <summary>Module path in a Hugging Face model, such as <c>model.layers.0.self_attn.q_proj</c>.</summary>
    public static string Path(this Projection projection, int layer) => $"model.layers.{layer}." + projection switch
    {
        Projection.Query => "self_attn.q_proj",
        Projection.Key => "self_attn.k_proj",
        Projection.Value => "self_attn.v_proj",
        Projection.Output => "self_attn.o_proj",
        Projection.Gate => "mlp.gate_proj",
        Projection.Up => "mlp.up_proj",
        _ => "mlp.down_proj",
    };

    /// <summary>Width of the projection's input.</summary>
    public static int Inputs(this Projection projection, ModelConfig config) => projection switch
    {
        Projection.Output => config.QueryWidth,
        Projection.Down => config.IntermediateSize,
        _ => config.HiddenSize,
    };

    /// <summary>Width of the projection's output.</summary>
    public static int Outputs(this Projection projection, ModelConfig config) => projection switch
    {
        Projection.Query => config.QueryWidth,
        Projection.Key or Projection.Value => config.KeyValueWidth,
        Projection.Gate or Projection.Up => config.IntermediateSize,
        _ => config.HiddenSize,
    };

    /// <summary>True when the projection adds a bias.</summary>
    public static bool HasBias(this Projection projection, ModelConfig config) => projection switch
    {
        Projection.Query or Projection.Key or Projection.Value => config.QueryKeyValueBias,
        Projection.Output => config.OutputBias,
        _ => false,
    };
}

/// <summary>Projections that read the same input and so run as one job.</summary>
public enum LinearGroup
{
    /// <summary>q_proj, k_proj, v_proj.</summary>
    QueryKeyValue,

    /// <summary>o_proj.</summary>
    Output,

    /// <summary>gate_proj, up_proj.</summary>
    GateUp,

    /// <summary>down_proj.</summary>
    Down,
}

/// <summary>Which projections share an input.</summary>
internal static class LinearGroups
{
    /// <summary>Number of groups in a layer.</summary>
    public const int Count = 4;

    /// <summary>The group of a projection.</summary>
    public static LinearGroup Of(Projection projection) => projection switch
    {
        Projection.Query or Projection.Key or Projection.Value => LinearGroup.QueryKeyValue,
        Projection.Output => LinearGroup.Output,
        Projection.Gate or Projection.Up => LinearGroup.GateUp,
        _ => LinearGroup.Down,
    };
}
