namespace Gateway.Model.Numerics;

/// <summary>How the numbers of a panel are stored.</summary>
internal enum PanelFormat
{
    F32,
    Bfloat16,
    Int8,
    Int4,
}
